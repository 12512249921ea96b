"""Whether a model fell below the champion in any slice of the test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.holm import chance_below, holm
from models.power import POWER, detectable, standard_error
from pipelines.compared import gain_over, higher_is_better
from pipelines.recipe import Gate
from pipelines.verdict import CONFIDENCE, Interval, Report, Verdict, as_error, slice_name, verdict_of


@dataclass(frozen=True)
class Part:
    """A judged slice: its name, its rows and independent units, and how much better the model is there."""

    name: str
    n: int
    units: int
    gain: Interval

    @property
    def told(self) -> str:
        return f"{self.name} {self.gain.value:+.4f} ({self.gain.low:+.4f} to {self.gain.high:+.4f}, n = {self.n:,})"


def judge_slices(gate: Gate, value: float, report: Report) -> Verdict:
    """Fail where a slice is clearly below the champion by more than the margin; all judged slices are tested at once.

    Each slice is asked by a one-sided t test whether its true loss is more than the margin. Among many slices one
    looks bad by chance, so the tests are corrected by Holm's method (models/holm.py): a model that lost no more
    than the margin anywhere fails with at most the chance of one interval's end, (1 - CONFIDENCE) / 2. A pass is
    no proof that every slice holds, which slices are too small for; the message says what could have been missed.
    """
    rows = report.get("slices")
    higher = higher_is_better(gate.metric)
    if gate.metric != report.get("primary") or higher is None:
        return as_error(gate, f"the report compares slices on {report.get('primary')}, not on {gate.metric}", value)
    if not rows:
        return as_error(gate, "the report has no slices; name them in the recipe, [[evaluate.slices]]", value)
    judged = [row for row in rows if row.get("judged") is True]
    parts = [part for row in judged if (part := _part(row, higher=higher))]
    if len(parts) < len(judged):
        return as_error(gate, "a slice of the report has no finite difference from the champion", value)
    if not parts:
        return verdict_of(gate, "insufficient", f"none of {len(rows)} slices has enough examples", value=value)
    return _by_tests(gate, value, parts, len(rows) - len(parts))


def _by_tests(gate: Gate, value: float, parts: Sequence[Part], small: int) -> Verdict:
    chances = [chance_below(p.gain.value, _error(p), p.units, -gate.margin) for p in parts]
    corrected = holm(chances)
    fell = [part for part, chance in zip(parts, corrected, strict=True) if chance <= (1 - CONFIDENCE) / 2]
    numbers = {"value": value, "limit": -gate.margin}
    of = f"of {len(parts)} slices" + (f" ({small} more are too small to judge)" if small else "")
    if fell:
        worst = sorted(fell, key=lambda part: part.gain.value)
        told = "; ".join(part.told for part in worst)
        return verdict_of(gate, "fail", f"{len(fell)} {of} fell: {told}", gain=worst[0].gain, **numbers)
    weakest, blind = min(parts, key=lambda part: part.gain.value), max(parts, key=_error)
    seen = gate.margin + detectable(blind.gain.low, blind.gain.high, CONFIDENCE, len(parts))
    message = (
        f"none {of} clearly fell; the lowest is {weakest.told}; in {blind.name} (n = {blind.n:,}) it takes a fall of "
        f"{seen:.2f} to be seen {POWER:.0%} of the time"
    )
    return verdict_of(gate, "pass", message, gain=weakest.gain, **numbers)


def _part(row: Mapping[str, Any], *, higher: bool) -> Part | None:
    gain, counts = gain_over(row, higher=higher), (row.get("n"), row.get("groups"))
    if gain is None or not all(isinstance(count, int) and count > 1 for count in counts):
        return None
    return Part(slice_name(row), row["n"], row["groups"], gain)


def _error(part: Part) -> float:
    return standard_error(part.gain.low, part.gain.high, CONFIDENCE)
