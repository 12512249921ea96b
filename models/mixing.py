"""Several tasks over one backbone, learned in one training: each batch is of one task (multi-task learning)."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, cycle, islice
from typing import TYPE_CHECKING, Any

from models.schedule import Batch, Plan

if TYPE_CHECKING:
    from torch import Tensor

# What a batch calls the number of its task, 0 for the main one.
TASK = "task"
# Where a model in training keeps the heads of the auxiliary tasks.
HEADS = "auxiliary"


def over(model: Any, other: Any) -> Any:
    """`other`, the model of another task, over the backbone of `model` with its own head (MT-DNN, Liu et al. 2019).

    Writers differ in their prompts alone, and encoders that compare texts have no head: there is one model for both.
    """
    if _is_writer(other):
        return model
    if other.base_model is other:
        return model.base_model
    setattr(other, other.base_model_prefix, model.base_model)
    return other


@contextmanager
def heads_within(model: Any, others: Sequence[Any]) -> Iterator[None]:
    """Let the heads of `others` learn as a part of `model`, in its checkpoints too; afterwards it has none of them."""
    from torch.nn import ModuleDict

    model.add_module(HEADS, ModuleDict({f"task_{n}": ModuleDict(_own(other)) for n, other in enumerate(others, 1)}))
    try:
        yield
    finally:
        delattr(model, HEADS)


def _own(other: Any) -> dict[str, Any]:
    """The modules of a model that are not its backbone's."""
    if _is_writer(other) or other.base_model is other:
        return {}
    return {name: module for name, module in other.named_children() if module is not other.base_model}


def _is_writer(model: Any) -> bool:
    return bool(model.get_output_embeddings() is not None)


@dataclass(frozen=True)
class MixedLoss:
    """The loss of each batch's own task. The first plan's model is what is trained, `others` are those of the rest."""

    plans: Sequence[Plan]
    others: Sequence[Any]

    @property
    def divisible(self) -> bool:
        """Whether the loss of any batch is a mean of those of its parts."""
        return all(plan.loss.divisible for plan in self.plans)

    def answers(self, batch: Batch) -> int:
        """Over how many answers the loss of a batch is a mean."""
        return self.plans[batch[TASK]].loss.answers(batch)

    def __call__(self, model: Any, batch: Batch) -> Tensor:
        """A scalar: a mean over the batch."""
        number = batch[TASK]
        read = {name: tensor for name, tensor in batch.items() if name != TASK}
        return self.plans[number].loss(self.others[number - 1] if number else model, read)


def mixed_plan(plans: Sequence[Plan], others: Sequence[Any], temperature: float, seed: int) -> Plan:
    """One plan of several tasks' plans, whose items are pairs of a task's number and an item of its plan.

    An epoch has all batches of the first task, and so many of each other one as `shares` says, in an order that the
    seed decides. What an epoch does not read of another task, the next one does; what it needs more comes again.
    """
    streams = [cycle(chain.from_iterable(plan.epochs)) for plan in plans[1:]]
    sizes = [sum(map(len, plan.epochs[0])) for plan in plans]
    shuffle = random.Random(seed).shuffle  # noqa: S311 - no secret is drawn
    epochs = []
    for epoch in plans[0].epochs:
        counts = shares(len(epoch), sizes, temperature)
        drawn = [epoch, *(islice(stream, count) for stream, count in zip(streams, counts, strict=True))]
        batches = [[(number, n) for n in items] for number, part in enumerate(drawn) for items in part]
        shuffle(batches)
        epochs.append(batches)

    def collate(items: Sequence[tuple[int, int]], epoch: int) -> Batch:
        number = items[0][0]
        return plans[number].collate([n for _, n in items], epoch) | {TASK: number}

    return Plan(epochs, collate, MixedLoss(plans, others))


def shares(batches: int, sizes: Sequence[int], temperature: float) -> list[int]:
    """How many batches of each further task go with so many of the first; `sizes` are all tasks' numbers of examples.

    A task's share is as n^(1/T), its examples to the power of one by the temperature (Arivazhagan et al. 2019, Raffel
    et al. 2020): at 1 all examples count alike, the higher, the more all tasks do. Where they draw each batch by that
    chance, here the shares are kept exactly, to a batch, and one at least.
    """
    first, *further = sizes
    return [max(1, round(batches * (size / first) ** (1 / temperature))) for size in further]
