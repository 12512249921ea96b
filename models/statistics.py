"""The metrics as functions of a resample, for the bootstrap: most are functions of sums over the examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from models.bootstrap import Statistic, Sums, sums
from models.metrics import CALIBRATION_BINS, bin_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

PLACED = 5_000  # examples up to which an AUC is counted anew for each resample


def mean(values: ArrayLike) -> Sums:
    """Mean of a value per example."""
    import numpy as np

    rows, kind = np.unique(np.asarray(values, float), return_inverse=True)
    return Sums(kind, np.stack([rows, np.ones(len(rows))], axis=1), _first_over_second)


def ratio(parts: ArrayLike, sizes: ArrayLike) -> Sums:
    """Sum of `parts` over sum of `sizes`, such as bits per byte."""
    import numpy as np

    return sums(np.stack([np.asarray(parts, float), np.asarray(sizes, float)], axis=1), _first_over_second)


def _first_over_second(found: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(found[:, 0] / found[:, 1])


def macro_f1(truth: Sequence[str], answer: Sequence[str]) -> Sums:
    """Mean F1 over the labels, from the cells of the confusion matrix."""
    import numpy as np

    labels = sorted({*truth, *answer})
    number = {label: place for place, label in enumerate(labels)}
    cells = np.array([number[t] * len(labels) + number[a] for t, a in zip(truth, answer, strict=True)], int)
    kinds, kind = np.unique(cells, return_inverse=True)
    one_hot = np.eye(len(labels))
    of_sets = f1_of_sets(one_hot[kinds // len(labels)], one_hot[kinds % len(labels)], "macro")
    return Sums(of_sets.kind[kind], of_sets.rows, of_sets.value)


def f1_of_sets(truth: ArrayLike, answer: ArrayLike, average: Literal["micro", "macro"]) -> Sums:
    """F1 of label sets, given as 0 and 1 of shape (examples, labels): of all decisions together, or mean over labels.

    A label that a resample neither has nor was told is left out of its mean, as scikit-learn does; where there is none
    at all, F1 is 0, as there.
    """
    import numpy as np

    wanted, said = np.asarray(truth, float), np.asarray(answer, float)

    def value(found: NDArray[Any]) -> NDArray[Any]:
        hits, either = np.split(found, 2, axis=1)
        if average == "micro":
            hits, either = hits.sum(1, keepdims=True), either.sum(1, keepdims=True)
        f1 = np.divide(hits, either, out=np.zeros_like(either), where=either > 0)
        return np.asarray(f1.sum(1) / np.maximum(1, (either > 0).sum(1)))

    # Of bytes, which are found to be the same eight times as fast as floats.
    return sums(np.concatenate([2 * wanted * said, wanted + said], axis=1).astype(np.uint8), value)


def auc(positive: Sequence[bool], probability: Sequence[float]) -> Statistic:
    """Probability that a positive example scores above a negative one; ties count half (Hanley & McNeil 1982).

    Of more than PLACED examples a resample is worth what its examples' placements say (`_placed`).
    """
    import numpy as np

    scores, tie = np.unique(np.asarray(probability, float), return_inverse=True)
    is_positive = np.asarray(positive, bool)
    if len(tie) > PLACED:
        return _placed(is_positive, tie, len(scores))

    def statistic(weights: NDArray[Any]) -> NDArray[Any]:
        high, low = (_sum_by(weights * mask, tie, len(scores)) for mask in (is_positive, ~is_positive))
        below = np.cumsum(low, axis=1) - low / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((high * below).sum(1) / (high.sum(1) * low.sum(1)))

    return statistic


def _placed(is_positive: NDArray[Any], tie: NDArray[Any], ties: int) -> Sums:
    """AUC to first order: the mean placements of positives and of negatives, less the AUC (DeLong et al. 1988).

    A placement is the share of the other label that an example is on the right side of. What is left out shrinks as
    1 / n, the standard error as 1 / sqrt(n).
    """
    import numpy as np

    high, low = (np.bincount(tie[mask], minlength=ties).astype(float) for mask in (is_positive, ~is_positive))
    with np.errstate(invalid="ignore", divide="ignore"):
        above = ((np.cumsum(low) - low / 2) / low.sum())[tie]
        below = (1 - (np.cumsum(high) - high / 2) / high.sum())[tie]
    whole = above[is_positive].mean() if is_positive.any() else np.nan
    columns = [np.where(is_positive, above, 0), is_positive, np.where(is_positive, 0, below), ~is_positive]
    return sums(
        np.stack(columns, axis=1),
        lambda found: _first_over_second(found[:, :2]) + _first_over_second(found[:, 2:]) - whole,
    )


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = CALIBRATION_BINS) -> Sums:
    """As in models/metrics.py: the gap in each bin is a difference of two sums, so no bin needs its mean."""
    import numpy as np

    gap = np.asarray(confidence, float) - np.asarray(correct, float)
    by_bin = np.eye(bins)[bin_of(confidence, bins)] * gap[:, None]
    table = np.concatenate([by_bin, np.ones((len(gap), 1))], axis=1)
    return sums(table, lambda found: np.asarray(np.abs(found[:, :-1]).sum(1) / found[:, -1]))


def _sum_by(values: NDArray[Any], place: NDArray[Any], places: int) -> NDArray[Any]:
    """Sum columns that share a place: (resamples, examples) -> (resamples, places)."""
    import numpy as np

    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(places))
    return np.asarray(np.add.reduceat(values[:, order], starts, axis=1))
