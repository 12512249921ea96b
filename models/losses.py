"""How wrong a model is: cross-entropy, and what may be made of it where labels are noisy, skewed or few."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch  # noqa: TID253 - this module is itself imported lazily
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, kl_div  # noqa: TID253

from models.packing import IGNORED

if TYPE_CHECKING:
    from models.schedule import Batch

# A label weighs at most so many times as much as the commonest: one example of a rare one is still one example.
MOST_WEIGHT = 10.0


@dataclass(frozen=True)
class Criterion:
    """Cross-entropy, with a share of each answer spread over all labels, easy answers or common labels made light.

    `focus` is the gamma of the focal loss (Lin et al. 2017), which has each answer's loss shrink as it becomes right.
    """

    smoothing: float = 0.0
    focus: float = 0.0
    weights: tuple[float, ...] = ()

    def __call__(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean over the answers, from logits of shape (answers, labels) and the right labels' numbers.

        A mean over answers even where labels have weights, not over weights: parts of a batch then add up to it.
        """
        each = cross_entropy(logits, labels, label_smoothing=self.smoothing, reduction="none")
        if self.focus:
            wrong = 1 - logits.softmax(-1).gather(-1, labels[:, None])[:, 0]
            # Below this the power's slope may be no number.
            each = each * wrong.clamp(min=1e-6) ** self.focus
        if self.weights:
            each = each * torch.tensor(self.weights, device=labels.device)[labels]
        return each.mean()


def each_label(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy, a mean over all labels of all examples, from logits and 0 or 1 of shape (examples, labels).

    Each label is a question of its own: any number of them may be true of an example.
    """
    return binary_cross_entropy_with_logits(logits, labels)


@dataclass(frozen=True)
class Loss:
    """What training lowers: the criterion of what `read` gives, logits and labels, of a model and a batch.

    With `r_drop`, the batch is read twice, and how far the two answers that dropout made lie apart is added: half of
    the loss of Liang et al. 2021 (R-Drop), so that it is as large as that of one reading. `r_drop` is their alpha.
    """

    read: Callable[[Any, Batch], tuple[torch.Tensor, torch.Tensor]]
    criterion: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = field(default_factory=Criterion)
    r_drop: float = 0.0
    first: int = 0  # place of a text's first token that may be an answer
    mean: Callable[[Any, Batch], torch.Tensor | None] | None = None  # the usual criterion without logits, if it can be

    # Whether the loss of a batch is a mean of those of its parts.
    divisible: ClassVar[bool] = True

    def answers(self, batch: Batch) -> int:
        """Over how many answers the loss of a batch is a mean."""
        labels = batch["labels"]
        is_one_an_item = labels.ndim == 1 or labels.is_floating_point()
        return len(labels) if is_one_an_item else int((labels[:, self.first :] != IGNORED).sum())

    def __call__(self, model: Any, batch: Batch) -> torch.Tensor:
        """A scalar: a mean over the batch."""
        is_usual = self.criterion == Criterion() and not self.r_drop
        if self.mean and is_usual and (found := self.mean(model, batch)) is not None:
            return found
        logits, labels = self.read(model, batch)
        if not self.r_drop:
            return self.criterion(logits, labels)
        again, _ = self.read(model, batch)
        both = self.criterion(logits, labels) + self.criterion(again, labels)
        return (both + self.r_drop * apart(logits, again)) / 2


def by_row(values: torch.Tensor, wanted: torch.Tensor) -> list[float]:
    """The sum of each row's values, given one after another for the places that are `wanted`, shape (rows, places)."""
    table = torch.zeros(wanted.shape, dtype=torch.double, device=wanted.device)
    return [float(total) for total in table.masked_scatter(wanted, values.double()).sum(1)]


def apart(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Mean over rows of the symmetric Kullback-Leibler divergence of two answers, given as logits (rows, labels)."""
    p, q = one.log_softmax(-1), other.log_softmax(-1)
    there, back = (kl_div(a, b, reduction="batchmean", log_target=True) for a, b in ((p, q), (q, p)))
    return (there + back) / 2


def class_weights(counts: Sequence[int]) -> tuple[float, ...]:
    """What each label weighs, the rarer the more, when so many examples have it: 1 on average over the examples.

    A label that a prompt knows may have no example.
    """
    most = max(counts)
    raw = [min(most / max(1, count), MOST_WEIGHT) for count in counts]
    mean = sum(weight * count for weight, count in zip(raw, counts, strict=True)) / sum(counts)
    return tuple(weight / mean for weight in raw)
