"""Parts of the test set looked at by themselves: what a model and the champion are worth on each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from models.bootstrap import difference
from models.holm import chance_below, holm
from models.metrics import HIGHER_IS_BETTER
from models.power import standard_error
from models.tasks.task import Task
from pipelines.comparison import Comparison, Predictions
from pipelines.slice_members import members
from pipelines.slice_recipe import Slice
from pipelines.verdict import CONFIDENCE

RESAMPLES = 2_000  # of each slice: its standard error is then known to 2 %
SHOWN = 10  # slices of one kind that are too small to be judged, and are shown all the same


def measured(
    comparison: Comparison, chosen: Sequence[Slice], smallest: int, ours: Predictions, champion: Predictions | None
) -> list[dict[str, Any]]:
    """One row for each slice: {slice, value, n, groups, judged, metric, champion, difference, moved}.

    `metric` is the primary metric's interval, `difference` ours minus the champion's. A slice of fewer than `smallest`
    independent units is shown and not judged. `moved` says which way the judged ones clearly went.
    """
    found = []
    for one in chosen:
        for value, part in _shown(comparison, one, smallest).items():
            row = {"slice": one.by or one.name, "value": value, **_scores(comparison, part, ours, champion)}
            known = row["metric"] and (row["difference"] or not champion)
            found.append(row | {"judged": row["groups"] >= smallest and bool(known)})
    return _moved(found, comparison.task)


def _shown(comparison: Comparison, chosen: Slice, smallest: int) -> dict[str, list[int]]:
    """The slices of one kind that are large enough, and the largest few of the others."""
    parts, groups = members(comparison.task, comparison.rows, chosen), comparison.groups
    small = [value for value, places in parts.items() if len({groups[n] for n in places}) < smallest]
    hidden = set(sorted(small, key=lambda value: -len(parts[value]))[SHOWN:])
    return {value: places for value, places in parts.items() if value not in hidden}


def _scores(
    comparison: Comparison, places: Sequence[int], ours: Predictions, champion: Predictions | None
) -> dict[str, Any]:
    """What both are worth on some of the rows; None where the metric cannot be had there."""
    part = Comparison(comparison.task, [comparison.rows[n] for n in places], comparison.seed)
    found: dict[str, Any] = {"n": len(places), "groups": part.units, "metric": None}
    found |= {"champion": None, "difference": None}
    if not places:
        return found
    mine = part.primary([ours[n] for n in places])
    found["metric"] = _finite(part.interval(mine, RESAMPLES))
    if champion:
        theirs = part.primary([champion[n] for n in places])
        found["champion"] = _finite(part.interval(theirs, RESAMPLES))
        found["difference"] = _finite(part.interval(difference(mine, theirs), RESAMPLES))
    return found


def _finite(interval: dict[str, float]) -> dict[str, float] | None:
    """An interval, or None where one of its numbers is none, such as the AUC of rows with one label."""
    return interval if all(map(math.isfinite, interval.values())) else None


def _moved(rows: list[dict[str, Any]], task: Task) -> list[dict[str, Any]]:
    """The rows with `moved`: two-sided tests of all judged differences, with one error rate for all of them."""
    sign = 1 if HIGHER_IS_BETTER[task.primary] else -1
    compared = [row for row in rows if row["judged"] and row["difference"]]
    chances = []
    for row in compared:
        gap = row["difference"]
        error = standard_error(gap["low"], gap["high"], CONFIDENCE)
        chances.append(2 * chance_below(-abs(gap["value"]), error, row["groups"], 0.0) if gap["value"] else 1.0)
    clear = dict(zip(map(id, compared), holm(chances), strict=True))
    for row in rows:
        is_clear = clear.get(id(row), 1.0) <= 1 - CONFIDENCE
        row["moved"] = ("better" if sign * row["difference"]["value"] > 0 else "worse") if is_clear else "unclear"
    return rows
