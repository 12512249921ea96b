"""A toy training of each kind, run as a process of its own by tests that stop and kill it.

Arguments: kind (masked, causal, denoising, classifier, classifier+METHOD), folder of the base model, folder to work in,
seconds to rest a step.
"""

import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch  # noqa: TID253 - a script of its own, imported lazily

from models import backbone, denoising, methods, objectives, stop, train, writers
from models.checkpoint import Checkpoints
from models.continual import WeightAnchor, fisher
from models.hooks import FastGradient, FreeLargeBatch, RankAllocation
from models.mixing import heads_within, mixed_plan
from models.schedule import SCHEDULES, Pace, Passes, Plan
from models.text_head import TextClassifier
from tests.toy_models import TEXTS

KINDS = ("masked", "causal", "denoising", "classifier")
THREADS = 2  # stated, for sums are rounded by their number, and a test before this one may have set it
PAIRS = list(pairwise(TEXTS))


def prepared(kind: str, base: Path) -> tuple[Any, Any, Plan]:
    """Model, tokenizer and plan; every kind has dropout, so that a lost state of the generator would show."""
    if kind == "masked":
        model, tokenizer, _ = backbone.masked_from_encoder(base, seed=1)
        documents = objectives.tokenise(tokenizer, TEXTS * 4, 64)
        return model, tokenizer, objectives.masked_plan(tokenizer, documents, 0.15, 256, 1)
    if kind.startswith("classifier"):
        model, tokenizer = backbone.new_classifier(base, ["no", "yes"], 1, 64, 2)
        labels = [len(one) % 2 for one, _ in PAIRS]
        return model, tokenizer, objectives.label_plan(tokenizer, PAIRS, labels, Passes(16, 2, 1))
    if kind == "denoising":
        model, tokenizer = writers.load_encoder_decoder(base)
        methods.set_dropout(model, 0.1)
        documents = objectives.tokenise(tokenizer, TEXTS * 4, 64)
        return model, tokenizer, denoising.denoising_plan(tokenizer, documents, 0.15, 256, 1)
    model, tokenizer = backbone.load_causal(base)
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.1
    return model, tokenizer, objectives.causal_plan(objectives.tokenise(tokenizer, TEXTS * 4, 64), 64, 256, 0, 1)


def with_another_task(model: Any, plan: Plan) -> Plan:
    """Beside the plan, the same rows again for a head that reads both texts as one."""
    torch.manual_seed(2)
    return mixed_plan([plan, plan], [TextClassifier.over(model.encoder)], 1.0, 3)


def with_method(  # noqa: C901 - a case for each method
    method: str, model: Any, plan: Plan, pace: Pace
) -> tuple[Any, Plan, Pace]:
    """Model, plan and pace of a method, or as they are."""
    if method == "tasks":
        return model, with_another_task(model, plan), pace
    if method == "adalora":
        model = methods.adalora(model, 4, len(plan))
        plan = replace(plan, hooks=[RankAllocation(model)])
    elif method in ("prefix", "prompt"):
        torch.manual_seed(1)
        model = methods.METHODS[method](model, 4, len(plan))
    elif method == "fgm":
        plan = replace(plan, hooks=[FastGradient(0.5)])
    elif method == "freelb":
        plan = replace(plan, hooks=[FreeLargeBatch(0.5, 3)])
    elif method == "r_drop":
        plan = replace(plan, loss=replace(plan.loss, r_drop=2.0))
    elif method == "ewc":
        plan = replace(plan, hooks=[WeightAnchor(model, 100.0, fisher(model, plan))])
    elif method == "neftune":
        pace = replace(pace, noise=5.0)
    elif method in SCHEDULES:
        pace = replace(pace, schedule=method)
    elif method:
        pace = replace(pace, optimizer=method)
    return model, plan, pace


def run(kind: str, base: Path, work: Path, rest: float = 0.0) -> train.Record:
    """Train and save; a checkpoint at every step."""
    torch.set_num_threads(THREADS)  # before what is prepared: EWC's weights are sums too
    model, tokenizer, plan = prepared(kind, base)
    model, plan, pace = with_method(kind.partition("+")[2], model, plan, Pace(1e-3))

    def rested(items: Any, epoch: int) -> Any:
        time.sleep(rest)
        return plan.collate(items, epoch)

    validation = train.Validation(lambda m: {"loss": probe(m, plan)}, "loss", higher_is_better=False)
    # Schedules differ in the last steps, which the weights of an earlier, better epoch would hide.
    judged = validation if kind.startswith("classifier") and kind.partition("+")[2] not in SCHEDULES else None
    with heads_within(model, getattr(plan.loss, "others", ())):
        record = train.train(model, replace(plan, collate=rested), pace, Checkpoints(work / "checkpoints", 0.0), judged)
    backbone.save(methods.merged(model), tokenizer, work / "model")
    return record


def probe(model: Any, plan: Plan) -> float:
    """The loss on the first batch."""
    return float(plan.loss(model, plan[0]).detach())


if __name__ == "__main__":
    try:
        run(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4]))
    except stop.Stopped as stopped:
        sys.exit(f"stopped: {stopped}")
