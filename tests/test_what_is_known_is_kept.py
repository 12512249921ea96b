"""Elastic weights, the base's own answers and low-rank matrices hold continued pretraining to what was known."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch  # noqa: TID253 - tests of models need it

from models.continual import Remembering, WeightAnchor, fisher
from models.losses import Loss
from models.objectives import causal_plan, masked_plan, tokenise
from models.packing import IGNORED
from tests import toy_models

KNOWN = toy_models.TEXTS[:40]
NEW = ["queue queue account account the the of of"] * 40


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return toy_models.decoder_tokenizer()


def plan_of(tokenizer: Any, texts: list[str]) -> Any:
    return causal_plan(tokenise(tokenizer, texts, 32), 32, 256, tokenizer.pad_token_id, 1)


def learned(folder: Path, tokenizer: Any, hold: Any) -> tuple[Any, Any]:
    """A toy decoder, as it was and after new text; `hold` changes the plan."""
    from models.checkpoint import Checkpoints
    from models.schedule import Pace
    from models.train import train

    before, model = toy_models.decoder(len(tokenizer)), toy_models.decoder(len(tokenizer))
    plan = hold(model, plan_of(tokenizer, NEW))
    train(model, replace(plan, epochs=list(plan.epochs) * 4), Pace(5e-3), Checkpoints(folder))
    return before, model


def test_importance_is_the_mean_over_tokens_of_squared_gradients_of_one_item_each():
    weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    model = torch.nn.ParameterDict({"w": weight})
    model.device = weight.device
    slopes = {0: torch.tensor([3.0, 0.0]), 1: torch.tensor([-1.0, 2.0])}
    plan = SimpleNamespace(
        epochs=[[[1, 0]]],
        collate=lambda items, epoch: {"labels": torch.tensor([5, IGNORED, 5]), "item": torch.tensor(items[0] + epoch)},
        loss=lambda model, batch: (model["w"] * slopes[int(batch["item"])]).sum(),
    )
    # Two tokens an item: (2 * 3)² and (2 * -1)², over four tokens.
    assert fisher(model, plan)["w"].tolist() == [(36 + 4) / 4, 16 / 4]


def test_a_penalty_grows_with_the_square_of_the_way_and_with_what_matters():
    model = torch.nn.Linear(2, 1, bias=False)
    anchor = WeightAnchor(model, 10.0, {"weight": torch.tensor([[1.0, 0.0]])})
    assert anchor.penalty().item() == 0
    with torch.no_grad():
        model.weight += torch.tensor([[2.0, 50.0]])
    assert anchor.penalty().item() == pytest.approx(10 / 2 * 4)


def test_answers_like_the_base_cost_nothing_and_others_their_divergence():
    logits = {"pupil": torch.tensor([[0.0, 0.0]]), "teacher": torch.tensor([[2.0, 0.0]])}
    read = lambda model, _: (logits[model], torch.tensor([0]))  # noqa: E731
    plain, held = Loss(read), Remembering(read, teacher="teacher", weight=3.0)
    assert held("teacher", {}) == plain("teacher", {})
    p = torch.tensor([2.0, 0.0]).softmax(0)
    divergence = float((p * (p / 0.5).log()).sum())
    assert float(held("pupil", {})) == pytest.approx(float(plain("pupil", {})) + 3 * divergence)


def test_weights_that_matter_stay_nearer_with_ewc(tokenizer, tmp_path):
    importance = fisher(toy_models.decoder(len(tokenizer)), plan_of(tokenizer, KNOWN))

    def way(folder: str, weight: float) -> float:
        hold = lambda model, plan: replace(plan, hooks=[WeightAnchor(model, weight, importance)])  # noqa: E731
        pairs = zip(*(m.named_parameters() for m in learned(tmp_path / folder, tokenizer, hold)), strict=True)
        return sum(float((importance[name] * (a - b) ** 2).sum()) for (name, a), (_, b) in pairs)

    assert way("held", 1e4) < way("free", 0.0) / 2


def test_distillation_keeps_answers_and_the_teacher_as_they_were(tokenizer, tmp_path):
    batch = plan_of(tokenizer, NEW)[0]

    def apart(folder: str, weight: float) -> float:
        teacher = toy_models.decoder(len(tokenizer))
        hold = lambda _, plan: replace(plan, loss=Remembering(plan.loss.read, teacher=teacher, weight=weight))  # noqa: E731
        before, model = learned(tmp_path / folder, tokenizer, hold)
        assert all(torch.equal(a, b) for a, b in zip(before.parameters(), teacher.parameters(), strict=True))
        with torch.no_grad():
            loss = plan_of(tokenizer, NEW).loss
            return float(Remembering(loss.read, teacher=before, weight=1.0)(model, batch) - loss(model, batch))

    assert apart("held", 100.0) < apart("free", 0.0) / 2


def test_a_masked_model_is_weighed_too(tmp_path):
    from models.backbone import masked_from_encoder

    model, tokenizer, _ = masked_from_encoder(toy_models.encoder_folder(tmp_path), seed=1)
    known = masked_plan(tokenizer, tokenise(tokenizer, KNOWN[:5], 32), 0.15, 128, 1)
    assert sum(float(matters.sum()) for matters in fisher(model, known).values()) > 0
