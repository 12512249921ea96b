"""What a gate says: pass, fail, insufficient evidence or error, with the numbers that it looked at."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipelines.recipe import Gate

CONFIDENCE = 0.95  # of every interval of a report
Outcome = Literal["pass", "fail", "insufficient", "error"]
Report = Mapping[str, Any]


class Interval(BaseModel):
    """How much better the model is: positive is better, whichever way the metric points."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    value: float
    low: float
    high: float


class Evidence(BaseModel):
    """How much the test set can tell of a difference, in independent units: groups of rows, or rows that have none.

    `detectable` is the distance from the limit that it detects with a power of 80 %, None where nothing spreads;
    `more` is how many further units would decide, None for a verdict that is not "insufficient" and for a difference
    on the limit itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    units: int
    detectable: float | None
    more: int | None = None


class Verdict(BaseModel):
    """What one gate says, with the numbers it looked at."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    metric: str
    condition: str
    outcome: Outcome
    message: str
    value: float | None = None
    limit: float | None = None
    gain: Interval | None = None
    # Left out where there is none: the seal of an older dossier, which knew none, stays what it was.
    evidence: Evidence | None = Field(None, exclude_if=lambda found: found is None)

    @property
    def passed(self) -> bool:
        return self.outcome == "pass"


def condition(gate: Gate) -> str:
    """A gate's condition in words."""
    if gate.at_least is not None:
        return f"at least {gate.at_least:g}"
    if gate.at_most is not None:
        return f"at most {gate.at_most:g}"
    by = f" by more than {gate.margin:g}" if gate.margin else ""
    if gate.slices:
        return f"in no slice clearly below the champion{by}"
    if gate.above:
        return f"above every baseline{by}, {CONFIDENCE:.0%} sure"
    return f"not below the champion{by}, {CONFIDENCE:.0%} sure"


def verdict_of(gate: Gate, outcome: Outcome, message: str, **numbers: Any) -> Verdict:
    """The verdict of a gate."""
    return Verdict(metric=gate.metric, condition=condition(gate), outcome=outcome, message=message, **numbers)


def as_error(gate: Gate, message: str, value: float | None = None) -> Verdict:
    """The verdict of a gate that cannot be judged."""
    return verdict_of(gate, "error", message, value=value)


def slice_name(row: Mapping[str, Any]) -> str:
    """What a slice of a report is called: "topic: sport", or the name of a condition."""
    return f"{row['slice']}: {row['value']}" if row["value"] else str(row["slice"])


def p_value(p: float) -> str:
    """A p value in three digits; what is smaller is not 0."""
    return f"{p:.3f}" if p >= 0.0005 else "< 0.001"


def at(value: Any, *path: str) -> Any:
    """What stands at a path of keys, or None."""
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return value


def number(value: Any) -> float | None:
    """A finite number, or None; True is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
