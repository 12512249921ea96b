"""One batch in four parts trains as one batch at once: Trainer 5.23 alone multiplies the gradient by four."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

KINDS = ("masked", "classifier", "distilled", "labels", "causal", "t5", "bart")


METHODS = ("adalora", "fgm", "freelb", "r_drop", "sgd", "weighted")


@pytest.mark.parametrize("kind", (*KINDS, *(f"classifier+{method}" for method in METHODS)))
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
    model, batch, loss = example(kind)
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


def example(kind: str) -> tuple[object, dict[str, object], object]:
    """A model without dropout, 16 texts with as much to learn in each, and the loss."""
    import torch
    from transformers import BertConfig, BertForMaskedLM, BertModel

    from models import encoder_decoder, objectives
    from models.pair_head import PairClassifier
    from models.text_head import TextClassifier
    from tests.toy_models import decoder, written_by

    torch.manual_seed(1)
    ids = torch.randint(5, 90, (16, 12))
    if kind in ("t5", "bart"):
        batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids[:, ::2].clone()}
        return written_by(kind)[0], batch, encoder_decoder.writing_loss
    ids[:, 6] = 3
    if kind == "causal":
        return decoder(100), {"input_ids": ids, "labels": ids.clone()}, objectives.causal_loss
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = BertConfig(vocab_size=100, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **sizes)
    config.sep_token_id = 3
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if kind == "classifier":
        labels = torch.randint(0, 2, (16,))
        return PairClassifier.over(BertModel(config)), batch | {"labels": labels}, objectives.label_loss
    if kind == "distilled":
        from models.distillation import Distilling

        labels = torch.arange(16) % 3 - 1
        labels[labels < 0] = -100  # texts without a label, which are not spread evenly over the parts
        more = {"labels": labels, "known": torch.randn(16, 2)}
        loss = Distilling(objectives.label_answers, temperature=2.0, weight=0.5)
        return TextClassifier.over(BertModel(config)), batch | more, loss
    if kind == "labels":
        labels = torch.randint(0, 2, (16, 2)).float()
        return TextClassifier.over(BertModel(config)), batch | {"labels": labels}, objectives.label_set_loss
    labels = torch.where(torch.arange(12) % 4 == 0, ids, -100)
    return BertForMaskedLM(config), batch | {"labels": labels}, objectives.masked_loss
