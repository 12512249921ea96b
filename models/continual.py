"""What holds a model to what it knew while it learns new text: weights that stay near, answers that stay alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch  # noqa: TID253 - this module is itself imported lazily
from torch.nn.functional import kl_div  # noqa: TID253

from models import stop
from models.hooks import Hook
from models.losses import Loss
from models.packing import IGNORED
from models.progress import shares

if TYPE_CHECKING:
    from models.schedule import Batch, Plan

Tensors = dict[str, torch.Tensor]


def fisher(model: Any, known: Plan) -> Tensors:
    """How much each weight that learns matters for known text: the diagonal of the empirical Fisher information.

    One item of the plan is read at a time, for squares of sums are no sums of squares; the result is a mean over
    tokens, as a loss is: a penalty with it is the rise of that loss, to second order, when weights move.
    """
    found = {name: torch.zeros_like(p) for name, p in _learning(model)}
    tokens, show = 0, shares("known text")
    model.eval()
    items = sorted(item for batches in known.epochs for batch in batches for item in batch)
    for done, item in enumerate(items, 1):
        stop.check("weighing what the base knows")
        batch = {name: tensor.to(model.device) for name, tensor in known.collate([item], 0).items()}
        count = int((batch["labels"] != IGNORED).sum())
        model.zero_grad()
        torch.autograd.backward(count * known.loss(model, batch))
        for name, p in _learning(model):
            if p.grad is not None:
                found[name] += p.grad**2
        tokens += count
        show(done, len(items))
    model.zero_grad()
    return {name: total / max(1, tokens) for name, total in found.items()}


class WeightAnchor(Hook):
    """Weights pay for moving, the more they mattered (EWC, Kirkpatrick et al. 2017, equation 3).

    Made of the base before a training begins or goes on, so that there is nothing to keep in a checkpoint.
    """

    def __init__(self, model: Any, weight: float, importance: Mapping[str, torch.Tensor]) -> None:
        self.weight = weight
        self.held = [(p, p.detach().clone(), importance[name]) for name, p in _learning(model)]

    def penalty(self) -> torch.Tensor | float:
        """Half of `weight` times the sum over weights of importance times squared distance."""
        return self.weight / 2 * sum((matters * (p - start) ** 2).sum() for p, start, matters in self.held)


@dataclass(frozen=True)
class Remembering(Loss):
    """A loss, and how far the answers are from those of the model as it was (Li and Hoiem 2016, at temperature 1).

    `weight` times the mean over answers of the Kullback-Leibler divergence from the `teacher`, which does not learn.
    """

    teacher: Any = None
    weight: float = 0.0

    def __call__(self, model: Any, batch: Batch) -> torch.Tensor:
        """A scalar: a mean over the batch."""
        logits, labels = self.read(model, batch)
        with torch.no_grad():
            known, _ = self.read(self.teacher, batch)
        answers = (logits.log_softmax(-1), known.log_softmax(-1))
        return self.criterion(logits, labels) + self.weight * kl_div(*answers, reduction="batchmean", log_target=True)


def _learning(model: Any) -> list[tuple[str, torch.nn.Parameter]]:
    return [(name, p) for name, p in model.named_parameters() if p.requires_grad]
