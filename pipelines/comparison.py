"""What the answers of several models to the same test examples say about them: numbers with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from models.bootstrap import RESAMPLES, Interval, Statistic, difference, interval
from models.mcnemar import mcnemar
from models.metrics import HIGHER_IS_BETTER
from models.tasks.label_sets import by_label
from models.tasks.labels import certainty
from models.tasks.task import Prediction, Row, Task
from pipelines.answers import kind_of
from pipelines.errors import Refused
from pipelines.examples import by_chance
from pipelines.verdict import CONFIDENCE

EXAMPLES = 10
# What a prediction may say was right.
RIGHT = ("label", "labels", "reference")
ANEW = "models are compared on the same rows only: start a new run"

Predictions = Sequence[Prediction]


@dataclass(frozen=True)
class Comparison:
    """The test examples of a task, and how to draw from them; every interval uses the same draws."""

    task: Task
    rows: Sequence[Row]
    seed: int

    @cached_property
    def groups(self) -> list[str]:
        """The group of each row; whole groups are drawn."""
        return [self.task.group(row) for row in self.rows]

    @property
    def units(self) -> int:
        """How many groups there are: what is independent of each other."""
        return len(set(self.groups))

    def intervals(self, predictions: Predictions) -> dict[str, dict[str, Any]]:
        """Each metric as {value, low, high}; a metric that is no function of a resample has None for both bounds."""
        require_answers(self.rows, predictions)
        statistics = self.task.statistics(predictions)
        points = {
            name: {"value": round(value, 6), "low": None, "high": None}
            for name, value in self.task.metrics(predictions).items()
            if name not in statistics
        }
        found = points | {name: self.interval(statistic) for name, statistic in statistics.items()}
        return dict(sorted(found.items()))

    def opponent(self, ours: Predictions, theirs: Predictions) -> dict[str, Any]:
        """Another model's metrics, its interval on the primary metric, and ours minus theirs on that metric.

        Both are None for one that has not the metric: what copies a text says nothing of the likelihood of others.
        Raises Refused unless both answer exactly the rows of this comparison.
        """
        require_answers(self.rows, ours, theirs)
        metrics = {name: round(value, 6) for name, value in sorted(self.task.metrics(theirs).items())}
        primary = self.task.statistics(theirs).get(self.task.primary)
        if primary is None:
            return {"metrics": metrics, "interval": None, "difference": None}
        gap = difference(self.primary(ours), primary)
        found = {"metrics": metrics, "interval": self.interval(primary), "difference": self.interval(gap)}
        return found | self._tested(ours, theirs)

    def _tested(self, *answers: Predictions) -> dict[str, Any]:
        """McNemar's test of two models that answer with a label; nothing of others."""
        if self.task.answer != "label":
            return {}
        ours, theirs = ([one["prediction"] == one["label"] for one in predictions] for predictions in answers)
        return {"mcnemar": mcnemar(ours, theirs, self.groups)}

    def primary(self, predictions: Predictions) -> Statistic:
        """The metric that decides, as a function of a resample."""
        return self.task.statistics(predictions)[self.task.primary]

    def interval(self, statistic: Statistic, resamples: int = RESAMPLES) -> dict[str, float]:
        """The interval of a statistic of these rows, to six digits."""
        found = interval(statistic, self.groups, seed=self.seed, confidence=CONFIDENCE, resamples=resamples)
        return rounded(found)


def require_answers(rows: Sequence[Row], *answers: Predictions) -> None:
    """Raise Refused, naming the first row that differs, unless all answers are to these rows, in their order.

    The ids must be those of the rows; what the answers say was right must be the same in all of them.
    """
    for predictions in answers:
        if len(predictions) != len(rows):
            raise Refused(f"{len(predictions):,} answers to {len(rows):,} test rows; {ANEW}")
        for number, (row, first, one) in enumerate(zip(rows, answers[0], predictions, strict=True), 1):
            if one["id"] != row["id"]:
                raise Refused(f"test row {number} is {row['id']!r}, and was answered as {one['id']!r}; {ANEW}")
            if any(one[key] != first[key] for key in RIGHT if key in one and key in first):
                raise Refused(
                    f"test row {number} ({row['id']!r}) had another right answer for one of the models; {ANEW}"
                )


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


def _example(task: Task, row: Row, ours: Prediction, theirs: Prediction | None, why: str) -> dict[str, Any]:
    shown = {"id": row["id"], "why": why, **{name: row[name] for name in task.columns if name in row}}
    shown |= {"prediction": ours["prediction"], "champion_prediction": theirs["prediction"] if theirs else None}
    return {**shown, **kind_of(task).shown(task, row, ours, theirs)}
