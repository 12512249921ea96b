"""How sure a score is: the bootstrap, with all resamples at once.

A `Statistic` is a metric as a function of weights, shape (resamples, examples): how often each example was drawn.
It keeps sufficient statistics per example, so that a thousand resamples cost one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from models.metrics import CALIBRATION_BINS, bin_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Statistic = Callable[[Any], Any]

RESAMPLES = 2000
# Weights held at once; bounds the memory at 8 bytes each.
BLOCK = 4_000_000


@dataclass(frozen=True)
class Interval:
    """A value with the bounds that hold it with the stated confidence."""

    value: float
    low: float
    high: float


def interval(
    statistic: Statistic, groups: Sequence[Hashable], *, seed: int, confidence: float = 0.95, resamples: int = RESAMPLES
) -> Interval:
    """Percentile bootstrap interval of a statistic (Efron & Tibshirani 1993, chapter 13).

    `groups` names the group of each example; whole groups are drawn, for errors within one are not independent.
    The same seed and groups draw the same resamples: a difference of two statistics is therefore paired.
    """
    import numpy as np

    values = np.concatenate([statistic(weights) for weights in _weights(groups, seed, resamples)])
    value = float(statistic(np.ones((1, len(groups))))[0])
    # A resample may hold one label only, of which some statistics say nothing.
    known = values[np.isfinite(values)]
    low, high = np.quantile(known if len(known) else [value], [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high))


def difference(one: Statistic, other: Statistic) -> Statistic:
    """`one` minus `other` on the same resample: its interval is that of the paired bootstrap."""
    return lambda weights: one(weights) - other(weights)


def mean(values: ArrayLike) -> Statistic:
    """Mean of a value per example."""
    import numpy as np

    return ratio(values, np.ones(len(np.asarray(values))))


def ratio(parts: ArrayLike, sizes: ArrayLike) -> Statistic:
    """Sum of `parts` over sum of `sizes`, such as bits per byte."""
    import numpy as np

    both = np.stack([np.asarray(parts, float), np.asarray(sizes, float)], axis=1)

    def statistic(weights: NDArray[Any]) -> NDArray[Any]:
        sums = weights @ both
        return np.asarray(sums[:, 0] / sums[:, 1])

    return statistic


def macro_f1(truth: Sequence[str], answer: Sequence[str]) -> Statistic:
    """Mean F1 over the labels, from the cells of the confusion matrix."""
    import numpy as np

    labels = sorted({*truth, *answer})
    size = len(labels)
    cells = np.array([labels.index(t) * size + labels.index(a) for t, a in zip(truth, answer, strict=True)])
    one_hot = np.eye(size * size)[cells]

    def statistic(weights: NDArray[Any]) -> NDArray[Any]:
        confusion = (weights @ one_hot).reshape(-1, size, size)
        hits = np.diagonal(confusion, axis1=1, axis2=2)
        either = confusion.sum(1) + confusion.sum(2)
        # A label absent from a resample is left out of its mean, as scikit-learn does.
        f1 = np.divide(2 * hits, either, out=np.zeros_like(either), where=either > 0)
        return np.asarray(f1.sum(1) / (either > 0).sum(1))

    return statistic


def f1_of_sets(truth: ArrayLike, answer: ArrayLike, average: Literal["micro", "macro"]) -> Statistic:
    """F1 of label sets, given as 0 and 1 of shape (examples, labels): of all decisions together, or mean over labels.

    A label that a resample neither has nor was told is left out of its mean, as `macro_f1` does; where there is none
    at all, F1 is 0, as in scikit-learn.
    """
    import numpy as np

    wanted, said = np.asarray(truth, float), np.asarray(answer, float)
    sums = np.concatenate([2 * wanted * said, wanted + said], axis=1)

    def statistic(weights: NDArray[Any]) -> NDArray[Any]:
        hits, either = np.split(weights @ sums, 2, axis=1)
        if average == "micro":
            hits, either = hits.sum(1, keepdims=True), either.sum(1, keepdims=True)
        f1 = np.divide(hits, either, out=np.zeros_like(either), where=either > 0)
        return np.asarray(f1.sum(1) / np.maximum(1, (either > 0).sum(1)))

    return statistic


def auc(positive: Sequence[bool], probability: Sequence[float]) -> Statistic:
    """Probability that a positive example scores above a negative one; ties count half (Hanley & McNeil 1982)."""
    import numpy as np

    scores, tie = np.unique(np.asarray(probability, float), return_inverse=True)
    is_positive = np.asarray(positive, bool)

    def statistic(weights: NDArray[Any]) -> NDArray[Any]:
        high, low = (_sum_by(weights * mask, tie, len(scores)) for mask in (is_positive, ~is_positive))
        below = np.cumsum(low, axis=1) - low / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((high * below).sum(1) / (high.sum(1) * low.sum(1)))

    return statistic


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = CALIBRATION_BINS) -> Statistic:
    """As in models/metrics.py: the gap in each bin is a difference of two sums, so no bin needs its mean."""
    import numpy as np

    gap = np.asarray(confidence, float) - np.asarray(correct, float)
    one_hot = np.eye(bins)[bin_of(confidence, bins)]

    def statistic(weights: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(np.abs(weights @ (one_hot * gap[:, None])).sum(1) / weights.sum(1))

    return statistic


def _weights(groups: Sequence[Hashable], seed: int, resamples: int) -> Iterator[NDArray[Any]]:
    """How often each example is drawn, in blocks of shape (resamples, examples)."""
    import numpy as np

    number = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    group_of = np.array([number[group] for group in groups])
    random, count, done = np.random.default_rng(seed), len(number), 0
    block = max(1, BLOCK // len(groups))
    while done < resamples:
        rows = min(block, resamples - done)
        drawn = random.integers(0, count, (rows, count)) + np.arange(rows)[:, None] * count
        yield np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count)[:, group_of].astype(float)
        done += rows


def _sum_by(values: NDArray[Any], place: NDArray[Any], places: int) -> NDArray[Any]:
    """Sum columns that share a place: (resamples, examples) -> (resamples, places)."""
    import numpy as np

    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(places))
    return np.asarray(np.add.reduceat(values[:, order], starts, axis=1))
