"""What the answers of several models to the same test examples say about them: numbers with their intervals."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from models.metrics import HIGHER_IS_BETTER
from models.statistics import Interval, difference, interval
from models.tasks.label_sets import by_label
from models.tasks.labels import certainty
from models.tasks.task import Prediction, Row, Task
from pipelines.answers import kind_of
from pipelines.gates import CONFIDENCE

EXAMPLES = 10

Predictions = Sequence[Prediction]


@dataclass(frozen=True)
class Comparison:
    """The test examples of a task, and how to draw from them; every interval uses the same draws."""

    task: Task
    rows: Sequence[Row]
    seed: int

    def intervals(self, predictions: Predictions) -> dict[str, dict[str, Any]]:
        """Each metric as {value, low, high}; a metric that is no function of a resample has None for both bounds."""
        statistics = self.task.statistics(predictions)
        points = {
            name: {"value": round(value, 6), "low": None, "high": None}
            for name, value in self.task.metrics(predictions).items()
            if name not in statistics
        }
        found = points | {name: self._interval(statistic) for name, statistic in statistics.items()}
        return dict(sorted(found.items()))

    def opponent(self, ours: Predictions, theirs: Predictions) -> dict[str, Any]:
        """Another model's metrics, its interval on the primary metric, and ours minus theirs on that metric.

        Both are None for one that has not the metric: what copies a text says nothing of the likelihood of others.
        """
        metrics = {name: round(value, 6) for name, value in sorted(self.task.metrics(theirs).items())}
        primary = self.task.statistics(theirs).get(self.task.primary)
        if primary is None:
            return {"metrics": metrics, "interval": None, "difference": None}
        gap = difference(self.task.statistics(ours)[self.task.primary], primary)
        return {"metrics": metrics, "interval": self._interval(primary), "difference": self._interval(gap)}

    def _interval(self, statistic: Any) -> dict[str, float]:
        groups = [self.task.group(row) for row in self.rows]
        return rounded(interval(statistic, groups, seed=self.seed, confidence=CONFIDENCE))


def rounded(found: Interval) -> dict[str, float]:
    """An interval as JSON, to six digits; -0.0 becomes 0.0."""
    return {name: round(value, 6) + 0.0 for name, value in asdict(found).items()}


def calibration_rows(task: Task, predictions: Predictions) -> list[dict[str, Any]]:
    """Bins of confidence with the accuracy in each; empty for a task without probabilities."""
    from models.metrics import calibration

    if task.answer != "label":
        return []
    bins = calibration(*certainty(predictions))
    return [{name: round(value, 6) for name, value in row.items()} for row in bins]


def label_rows(task: Task, predictions: Predictions) -> list[dict[str, Any]]:
    """How each label is told, the commonest first; empty for a task without labels."""
    if task.answer == "labels":
        return by_label(predictions)
    if task.answer != "label":
        return []
    return by_label([{"labels": [p["label"]], "prediction": [p["prediction"]]} for p in predictions])


def clearly(found: Mapping[str, float], metric: str) -> str:
    """Which way an interval of a difference points: "better", "worse" or "unclear"."""
    low, high = (found["low"], found["high"]) if HIGHER_IS_BETTER[metric] else (-found["high"], -found["low"])
    return "better" if low > 0 else "worse" if high < 0 else "unclear"


def examples(
    task: Task, rows: Sequence[Row], predictions: Predictions, champion: Predictions | None
) -> list[dict[str, Any]]:
    """Ten examples side by side: the worst mistakes, where the champion differs, and the rest by chance."""
    chosen: dict[int, str] = {}
    drawn = by_chance(rows)
    differs = [n for n in drawn if champion and champion[n]["prediction"] != predictions[n]["prediction"]]
    for why, numbers, most in (
        ("worst mistake", kind_of(task).mistakes(task, predictions), 3),
        ("champion differs", differs, 3),
        ("by chance", drawn, EXAMPLES),
    ):
        for number in [n for n in numbers if n not in chosen][: min(most, EXAMPLES - len(chosen))]:
            chosen[number] = why
    return [_example(task, rows[n], predictions[n], champion[n] if champion else None, chosen[n]) for n in chosen]


def by_chance(rows: Sequence[Row]) -> list[int]:
    """Positions of the rows in an order of chance: that of the hash of the id, the same in every run."""
    return sorted(range(len(rows)), key=lambda n: hashlib.sha256(str(rows[n]["id"]).encode()).hexdigest())


def _example(task: Task, row: Row, ours: Prediction, theirs: Prediction | None, why: str) -> dict[str, Any]:
    shown = {"id": row["id"], "why": why, **{name: row[name] for name in task.columns if name in row}}
    shown |= {"prediction": ours["prediction"], "champion_prediction": theirs["prediction"] if theirs else None}
    return {**shown, **kind_of(task).shown(task, row, ours, theirs)}
