"""What tasks that answer with a set of labels have in common: the answer, its threshold, and how it is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from models import statistics
from models.bootstrap import Statistic
from models.tasks.task import Prediction, Row

if TYPE_CHECKING:
    from numpy.typing import NDArray

MEASURES = ("micro_f1", "macro_f1", "subset_accuracy")
Chances = Mapping[str, float]  # the probability of each label


def answer_of(chances: Chances, threshold: float) -> dict[str, Any]:
    """The labels, in sorted order, whose probability reaches the threshold; none may, and then the answer is empty."""
    rounded = {label: round(chance, 6) for label, chance in sorted(chances.items())}
    return {"prediction": [label for label in rounded if chances[label] >= threshold], "probabilities": rounded}


def judged(rows: Sequence[Row], chances: Sequence[Chances], threshold: float) -> list[dict[str, Any]]:
    """The answer to each row as a prediction, beside the labels that are true of it."""
    return [
        {"id": row["id"], "labels": sorted(row["labels"]), **answer_of(found, threshold)}
        for row, found in zip(rows, chances, strict=True)
    ]


def measured(predictions: Sequence[Prediction]) -> dict[str, float]:
    """micro_f1, macro_f1 and subset_accuracy (the share of rows whose labels are all right, and no other)."""
    import numpy as np

    once = np.ones((1, len(predictions)))
    return {name: float(statistic(once)[0]) for name, statistic in resampled(predictions).items()}


def resampled(predictions: Sequence[Prediction]) -> dict[str, Statistic]:
    """The metrics of `measured` as functions of resampling weights."""
    _, truth, answer = indicators(predictions)
    return {
        "micro_f1": statistics.f1_of_sets(truth, answer, "micro"),
        "macro_f1": statistics.f1_of_sets(truth, answer, "macro"),
        "subset_accuracy": statistics.mean((truth == answer).all(1).astype(float)),
    }


def by_label(predictions: Sequence[Prediction]) -> list[dict[str, Any]]:
    """One row {label, n, said, precision, recall, f1} for each label, the commonest first.

    `n` is of how many rows it is true, `said` of how many it was said; what cannot be divided is 0.
    """
    labels, truth, answer = indicators(predictions)
    found = []
    for name, wanted, said, hits in zip(labels, truth.sum(0), answer.sum(0), (truth * answer).sum(0), strict=True):
        shares = hits / max(1, said), hits / max(1, wanted), 2 * hits / (wanted + said)
        scores = {n: round(float(v), 6) for n, v in zip(("precision", "recall", "f1"), shares, strict=True)}
        found.append({"label": name, "n": int(wanted), "said": int(said), **scores})
    return sorted(found, key=lambda row: (-row["n"], row["label"]))


def indicators(predictions: Sequence[Prediction]) -> tuple[list[str], NDArray[Any], NDArray[Any]]:
    """The labels that are true or were said of any row, and both as 0 and 1, of shape (rows, labels)."""
    import numpy as np

    columns = [[set(p[name]) for p in predictions] for name in ("labels", "prediction")]
    labels = sorted(set().union(*columns[0], *columns[1]))
    truth, answer = (
        np.array([[label in found for label in labels] for found in sets], float).reshape(len(predictions), len(labels))
        for sets in columns
    )
    return labels, truth, answer
