"""What a report says of changed test rows: how many answers changed with them, and what that cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.bootstrap import difference
from models.metrics import HIGHER_IS_BETTER
from models.statistics import mean
from pipelines.changed_rows import changed
from pipelines.comparison import Comparison, Predictions
from pipelines.rows import read_rows

SHOWN = 3  # changed answers of each kind


def read_changed(folder: Path, kinds: tuple[str, ...]) -> dict[str, list[dict[str, Any]]]:
    """The answers to the changed rows, by the kind of change, as the step `robustness` left them."""
    return {kind: read_rows(folder / f"predictions_{kind}.jsonl") for kind in kinds}


def measured(comparison: Comparison, before: Predictions, after: Mapping[str, Predictions]) -> dict[str, Any]:
    """For each kind of change {n, groups, flip_rate, metric, loss, flips}, with intervals of {value, low, high}.

    `flip_rate` is the share of answers that changed, None of texts that are written; `metric` the primary metric on
    the changed rows, `loss` how much worse it is than on the same rows as they were: below 0 is better. Both are
    None where the metric cannot be had of these rows.
    """
    return {kind: _kind(comparison, kind, before, answers) for kind, answers in after.items()}


def _kind(comparison: Comparison, kind: str, before: Predictions, after: Predictions) -> dict[str, Any]:
    place = {row["id"]: number for number, row in enumerate(comparison.rows)}
    places = [place[found["id"]] for found in after]
    part = Comparison(comparison.task, [comparison.rows[n] for n in places], comparison.seed)
    was = [before[n] for n in places]
    old, new = part.primary(was), part.primary(after)
    gap = difference(old, new) if HIGHER_IS_BETTER[part.task.primary] else difference(new, old)
    told = part.task.answer != "text"
    flipped = [one["prediction"] != other["prediction"] for one, other in zip(was, after, strict=True)]
    return {
        "n": len(places),
        "groups": part.units,
        "flip_rate": part.interval(mean(flipped)) if told else None,
        "metric": _finite(part.interval(new)),
        "loss": _finite(part.interval(gap)),
        "flips": _flips(comparison, kind, was, after) if told else [],
    }


def _flips(comparison: Comparison, kind: str, before: Predictions, after: Predictions) -> list[dict[str, Any]]:
    """Some of the rows whose answers changed, in file order: their changed texts, and both answers."""
    rows = {row["id"]: row for row in changed(comparison.task, comparison.rows, kind)}
    pairs = [(one, two) for one, two in zip(before, after, strict=True) if one["prediction"] != two["prediction"]]
    return [
        {
            "id": one["id"],
            "texts": [rows[one["id"]][name] for name in comparison.task.texts],
            "before": one["prediction"],
            "after": two["prediction"],
        }
        for one, two in pairs[:SHOWN]
    ]


def _finite(interval: dict[str, float]) -> dict[str, float] | None:
    return interval if all(map(math.isfinite, interval.values())) else None
