"""What a training goes through, laid out before it starts: every batch, in order, and how fast to learn from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch  # noqa: TID253 - this module is itself imported lazily

if TYPE_CHECKING:
    from models.hooks import Hook
    from models.losses import Loss

Batch = dict[str, Any]


@dataclass(frozen=True)
class Plan(torch.utils.data.Dataset[Batch]):
    """All batches of a training, epoch after epoch.

    The order is data, not a generator's state: a training that was stopped goes on with the very batch that was next.
    `collate` makes the tensors of a batch from its items and the number of its epoch, and depends on nothing else.
    `loss` is a mean over the batch, a scalar, from the model and the batch. `counts` says how many examples have each
    label, where there are labels. `hooks` are what goes on beside the steps.
    """

    epochs: Sequence[Sequence[Sequence[int]]]
    collate: Callable[[Sequence[int], int], Batch]
    loss: Loss
    counts: tuple[int, ...] = ()
    hooks: Sequence[Hook] = ()

    def __len__(self) -> int:
        return sum(map(len, self.epochs))

    def __getitem__(self, step: int) -> Batch:
        for epoch, batches in enumerate(self.epochs):
            if step < len(batches):
                return self.collate(batches[step], epoch)
            step -= len(batches)
        raise IndexError(step)

    @property
    def ends(self) -> list[int]:
        """The number of batches seen at the end of each epoch."""
        return [sum(map(len, self.epochs[: n + 1])) for n in range(len(self.epochs))]


@dataclass(frozen=True)
class Passes:
    """How labelled examples are gone through: batches of `size`, `epochs` times, in an order decided by `seed`.

    Examples of one group come in one batch, where there are `groups`, one for each example.
    """

    size: int
    epochs: int
    seed: int
    groups: Sequence[str] | None = None


@dataclass(frozen=True)
class Pace:
    """How fast to learn: linear warm-up over a share of the steps, then linear decay to nothing."""

    learning_rate: float
    warm_up: float = 0.06
    weight_decay: float = 0.01
    layer_decay: float = 1.0
    clip: float = 1.0
    noise: float = 0.0  # alpha of NEFTune (Jain et al. 2023)
    accumulation: int = 1
    optimizer: str = "adamw"
    seed: int = 7

    def factor(self, step: int, steps: int) -> float:
        """Learning rate of `step` (counted from 0) as a share of the peak."""
        rise = max(1, round(self.warm_up * steps))
        return min((step + 1) / rise, (steps - step) / max(1, steps - rise + 1), 1.0)


def groups(model: Any, pace: Pace) -> list[dict[str, Any]]:
    """Parameter groups: no weight decay on vectors, and a lower rate the deeper a layer lies, if the pace says so."""
    found: dict[tuple[float, bool], list[Any]] = {}
    layers = getattr(model.config, "num_hidden_layers", 0)
    for key, parameter in model.named_parameters():
        if parameter.requires_grad:
            rate = pace.learning_rate * pace.layer_decay ** (layers + 1 - depth(key, layers))
            found.setdefault((rate, parameter.ndim > 1), []).append(parameter)
    return [
        {"params": ps, "lr": rate, "weight_decay": pace.weight_decay * decays} for (rate, decays), ps in found.items()
    ]


def depth(key: str, layers: int) -> int:
    """How deep a weight lies: 0 for embeddings, 1 and up for the layers, one more than `layers` for all above."""
    parts = key.split(".")
    if any("embed" in part for part in parts):
        return 0
    numbers = [int(part) for part in parts if part.isdigit()]
    return numbers[0] + 1 if numbers else layers + 1
