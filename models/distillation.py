"""A small model learns the answers of a large one: its doubts about labels, or the texts that it writes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch  # noqa: TID253 - this module is itself imported lazily
from torch.nn.functional import cross_entropy, kl_div  # noqa: TID253

from models.losses import Loss
from models.objectives import label_answers
from models.packing import IGNORED

if TYPE_CHECKING:
    from models.schedule import Batch, Plan

KNOWN = "known"  # what a batch calls the teacher's logits


@dataclass(frozen=True)
class Distilling(Loss):
    """How far answers are from the teacher's, both softened by `temperature`, and from the labels.

    `weight` times the squared temperature times the Kullback-Leibler divergence from the teacher, and the rest times
    the cross-entropy with the label (Hinton, Vinyals and Dean 2015, section 2). A text without a label, one whose
    number is IGNORED, has the divergence alone.
    """

    temperature: float = 1.0
    weight: float = 1.0

    def __call__(self, model: Any, batch: Batch) -> torch.Tensor:
        """A scalar: a mean over the texts, labelled or not, so that parts of a batch add up to it."""
        logits, labels = self.read(model, {name: tensor for name, tensor in batch.items() if name != KNOWN})
        ours, theirs = ((one / self.temperature).log_softmax(-1) for one in (logits, batch[KNOWN]))
        soft = self.temperature**2 * kl_div(ours, theirs, reduction="none", log_target=True).sum(-1)
        hard = cross_entropy(logits, labels, reduction="none", ignore_index=IGNORED)
        weight = torch.where(labels == IGNORED, 1.0, self.weight)
        return (weight * soft + (1 - weight) * hard).mean()


def with_answers(plan: Plan, known: torch.Tensor, temperature: float, weight: float) -> Plan:
    """A plan of `label_plan` whose texts have the teacher's logits beside their labels, shape (texts, labels).

    The logits are numbers and not tokens, so that a student may have a tokenizer of its own; they are taken once, for
    the teacher does not learn. A label is IGNORED where there is none.
    """

    def collate(items: Sequence[int], epoch: int) -> Batch:
        return plan.collate(items, epoch) | {KNOWN: known[list(items)]}

    return replace(plan, collate=collate, loss=Distilling(label_answers, temperature=temperature, weight=weight))


def one_of_two(examples: int, weight: float, epochs: int, seed: int) -> list[list[int]]:
    """Which answer each example has in each epoch, where number n is the teacher's and `examples` + n a person's.

    The teacher's has the probability `weight`, drawn anew for each epoch: in expectation the loss is the weighted sum
    of those of both answers (Kim and Rush 2016, section 3.3), for the price of one reading.
    """
    draw = random.Random(seed).random  # noqa: S311 - no secret is drawn
    return [[n if draw() < weight else examples + n for n in range(examples)] for _ in range(epochs)]
