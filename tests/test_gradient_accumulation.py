"""One batch in four parts trains as one batch at once: Trainer 5.23 alone multiplies the gradient by four."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

KINDS = ("masked", "eurobert", "classifier", "distilled", "labels", "asked masked", "asked causal", "causal")
WRITERS = ("t5", "bart", "warm-started")
METHODS = ("adalora", "lora", "bottleneck", "prefix", "fgm", "freelb", "r_drop", "sgd", "weighted")


@pytest.mark.parametrize("kind", (*KINDS, *WRITERS, *(f"classifier+{method}" for method in METHODS)))
def test_four_parts_end_where_one_batch_ends(kind: str, tmp_path: Path):
    import torch

    whole, parts = (trained(kind, tmp_path / str(n), n) for n in (1, 4))
    assert whole[0] == pytest.approx(parts[0], rel=1e-4)
    for one, other in zip(whole[1], parts[1], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def trained(kind: str, folder: Path, accumulation: int) -> tuple[float, list[object]]:
    """Norm of the gradient of 16 texts of one length, and the weights after one plain step with it."""
    from contextlib import ExitStack

    import torch

    from models.checkpoint import Checkpoints
    from models.schedule import Pace, Plan
    from models.train import PlanTrainer

    kind, _, method = kind.partition("+")
    model, batch, loss = example(kind, folder)
    model, loss, hooks = with_method(method, model, loss)
    size = 16 // accumulation
    starts = [list(range(start, start + size)) for start in range(0, 16, size)]
    plan = Plan([starts], lambda items, _: {n: t[list(items)] for n, t in batch.items()}, loss, hooks=hooks)
    pace = Pace(0.1, accumulation=accumulation, clip=1e9, optimizer="sgd")
    trainer = PlanTrainer(model, plan, pace, Checkpoints(folder))
    if method != "sgd":
        trainer.create_optimizer = lambda *_: setattr(trainer, "optimizer", torch.optim.SGD(model.parameters(), 0.1))
    trainer.record.bf16 = False  # whose rounding would hide what is compared here
    norms = []
    trainer._get_grad_norm = lambda _, grad_norm=None: norms.append(float(grad_norm))
    with ExitStack() as stack:
        for hook in hooks:
            stack.enter_context(hook.during(model))
        trainer.train()
    return norms[0], [p.detach() for p in model.parameters()]


def with_method(method: str, model: object, loss: object) -> tuple[object, object, list[object]]:
    """Model, loss and hooks of a method, or as they are."""
    from dataclasses import replace

    from models import methods
    from models.hooks import FastGradient, FreeLargeBatch, RankAllocation
    from models.losses import Criterion

    if method == "adalora":
        model = methods.adalora(model, 4, 10)
        return model, loss, [RankAllocation(model)]
    if method in ("lora", "bottleneck", "prefix"):
        return methods.METHODS[method](model, 4, 10), loss, []
    if method == "r_drop":
        # No generator draws alike for a batch and for its parts; here a reading differs by its number.
        return model, replace(loss, read=in_two_ways(loss.read), r_drop=2.0), []
    if method == "weighted":
        return model, replace(loss, criterion=Criterion(0.1, 2.0, (0.5, 1.5))), []
    moving = {"fgm": [FastGradient(0.5)], "freelb": [FreeLargeBatch(0.5, 3)]}
    return model, loss, moving.get(method, [])


def in_two_ways(read: object) -> object:
    """Every second reading gives logits twice as large."""
    numbers = iter(range(100))

    def reading(model: object, batch: object) -> object:
        logits, labels = read(model, batch)
        return logits * (1 + next(numbers) % 2), labels

    return reading


def example(kind: str, folder: Path) -> tuple[object, dict[str, object], object]:
    """A model without dropout, 16 texts with as much to learn in each, and the loss."""
    import torch

    from models import encoder_decoder, objectives

    torch.manual_seed(1)
    ids = torch.randint(5, 60, (16, 12))
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if kind in WRITERS:
        return writer(kind, folder), batch | {"labels": ids[:, ::2].clone()}, encoder_decoder.writing_loss
    ids[:, 6] = 3
    if kind.startswith("asked"):
        model, batch = asking(kind.split()[1], batch)
        return model, batch | {"labels": torch.randint(0, 2, (16,))}, objectives.label_loss
    return (language_model if kind in ("masked", "eurobert", "causal") else classifier)(kind, batch)


def language_model(kind: str, batch: dict[str, object]) -> tuple[object, dict[str, object], object]:
    """A model that guesses tokens, what it reads, and the loss."""
    import torch
    from transformers import BertForMaskedLM

    from models import objectives, scratch
    from tests.toy_models import TEXTS, decoder

    ids = batch["input_ids"]
    if kind == "causal":
        return decoder(100), {"input_ids": ids, "labels": ids.clone()}, objectives.causal_loss
    model = scratch.scratch("micro-encoder", TEXTS, 7)[0] if kind == "eurobert" else BertForMaskedLM(bert())
    return model, batch | {"labels": torch.where(torch.arange(12) % 4 == 0, ids, -100)}, objectives.masked_loss


def classifier(kind: str, batch: dict[str, object]) -> tuple[object, dict[str, object], object]:
    """A model with a head for labels, what it reads, and the loss."""
    import torch
    from transformers import BertModel

    from models import objectives
    from models.distillation import Distilling
    from models.pair_head import PairClassifier
    from models.text_head import TextClassifier

    if kind == "classifier":
        labels = torch.randint(0, 2, (16,))
        return PairClassifier.over(BertModel(bert())), batch | {"labels": labels}, objectives.label_loss
    if kind == "labels":
        labels = torch.randint(0, 2, (16, 2)).float()
        return TextClassifier.over(BertModel(bert())), batch | {"labels": labels}, objectives.label_set_loss
    labels = torch.arange(16) % 3 - 1
    labels[labels < 0] = -100  # texts without a label, which are not spread evenly over the parts
    loss = Distilling(objectives.label_answers, temperature=2.0, weight=0.5)
    return TextClassifier.over(BertModel(bert())), batch | {"labels": labels, "known": torch.randn(16, 2)}, loss


def bert() -> object:
    """A configuration of two layers, without dropout."""
    from transformers import BertConfig

    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = BertConfig(vocab_size=100, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **sizes)
    config.sep_token_id = 3
    return config


def writer(kind: str, folder: Path) -> object:
    """An encoder-decoder without dropout."""
    from models import methods, writers
    from tests.toy_models import encoder_folder, written_by

    if kind != "warm-started":
        return written_by(kind)[0]
    (folder / "encoder").mkdir(parents=True)
    model = writers.warm_started(encoder_folder(folder / "encoder"), 7)[0]
    methods.set_dropout(model, 0.0)
    return model


def asking(objective: str, batch: dict[str, object]) -> tuple[object, dict[str, object]]:
    """A language model that is asked for the words of two labels, one of them of two tokens, and what it reads."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

    from models.prompt_head import prompted
    from models.verbaliser import VERBALISER
    from tests.toy_models import decoder

    is_masked = objective == "masked"
    config = bert() if is_masked else decoder(100).config
    setattr(config, VERBALISER, {"objective": objective, "words": [[7], [8, 9]]})
    model = prompted(AutoModelForMaskedLM if is_masked else AutoModelForCausalLM, config, objective)(config)
    marks = torch.zeros_like(batch["input_ids"])
    marks[:, 4:6] = 1  # where the answer's masks stand
    return model.eval(), batch | ({"token_type_ids": marks} if is_masked else {})
