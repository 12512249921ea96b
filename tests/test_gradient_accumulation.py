"""One batch in four parts trains as one batch at once: Trainer 5.23 alone multiplies the gradient by four."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

KINDS = ("masked", "classifier", "causal")


@pytest.mark.parametrize("kind", KINDS)
def test_four_parts_end_where_one_batch_ends(kind: str, tmp_path: Path):
    import torch

    whole, parts = (trained(kind, tmp_path / str(n), n) for n in (1, 4))
    assert whole[0] == pytest.approx(parts[0], rel=1e-4)
    for one, other in zip(whole[1], parts[1], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def trained(kind: str, folder: Path, accumulation: int) -> tuple[float, list[object]]:
    """Norm of the gradient of 16 texts of one length, and the weights after one plain step with it."""
    import torch

    from models.checkpoint import Checkpoints
    from models.schedule import Pace, Plan
    from models.train import PlanTrainer

    model, batch, loss = example(kind)
    size = 16 // accumulation
    starts = [list(range(start, start + size)) for start in range(0, 16, size)]
    plan = Plan([starts], lambda items, _: {n: t[list(items)] for n, t in batch.items()}, loss)
    trainer = PlanTrainer(model, plan, Pace(0.1, accumulation=accumulation, clip=1e9), Checkpoints(folder))
    trainer.create_optimizer = lambda *_: setattr(trainer, "optimizer", torch.optim.SGD(model.parameters(), 0.1))
    trainer.record.bf16 = False  # whose rounding would hide what is compared here
    norms = []
    trainer._get_grad_norm = lambda _, grad_norm=None: norms.append(float(grad_norm))
    trainer.train()
    return norms[0], [p.detach() for p in model.parameters()]


def example(kind: str) -> tuple[object, dict[str, object], object]:
    """A model without dropout, 16 texts with as much to learn in each, and the loss."""
    import torch
    from transformers import BertConfig, BertForMaskedLM, BertModel

    from models import objectives
    from models.pair_head import PairClassifier
    from tests.toy_models import decoder

    torch.manual_seed(1)
    ids = torch.randint(5, 90, (16, 12))
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
    labels = torch.where(torch.arange(12) % 4 == 0, ids, -100)
    return BertForMaskedLM(config), batch | {"labels": labels}, objectives.masked_loss
