"""Whether a model is better than its baselines, or no worse than the champion: by the interval of the difference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from models.power import POWER, detectable, units_needed
from pipelines.recipe import Gate
from pipelines.verdict import CONFIDENCE, Evidence, Interval, Outcome, Report, Verdict, as_error, at, number, verdict_of

# Independent units below which the interval of a difference is too narrow to be believed (docs/gates.md).
FEWEST = 30


def compared(gate: Gate, value: float, report: Report) -> Verdict:
    """Compare by the paired-bootstrap interval of the difference; the hardest opponent decides."""
    if gate.metric != report.get("primary"):
        return as_error(gate, f"the report compares models on {report.get('primary')}, not on {gate.metric}", value)
    higher = higher_is_better(gate.metric)
    if higher is None:
        return as_error(
            gate, f"nobody says whether a higher {gate.metric} is better; add it to models/metrics.py", value
        )
    opponents = _opponents(gate, report)
    gains = {name: gain_over(opponent, higher=higher) for name, opponent in opponents.items()}
    if not gains or None in gains.values():
        missing = [name for name, gain in gains.items() if gain is None] or ["baseline"]
        return as_error(gate, f"the report has no finite difference from {', '.join(missing)}", value)
    hardest, gain = min(((n, g) for n, g in gains.items() if g), key=lambda named: named[1].low)
    rival = number(at(opponents[hardest], "metrics", gate.metric))
    if rival is None:
        rival = number(at(opponents[hardest], "metrics", gate.metric, "value"))
    units = units_of(report)
    if units is None:
        return as_error(gate, "the report does not say how many independent groups of test rows it rests on", value)
    if units < FEWEST:
        return _too_few(gate, value, units)
    return _by_interval(gate, value, (hardest, rival), gain, (units, int(report["n"])))


def _by_interval(
    gate: Gate, value: float, rival: tuple[str, float | None], gain: Interval, sizes: tuple[int, int]
) -> Verdict:
    """Judge the ends of the interval; `rival` is a name and its value, `sizes` the independent units and the rows."""
    needed = gate.margin if gate.above else -gate.margin
    outcome = _outcome(gate, gain, needed)
    evidence = _evidence(gain, needed, sizes[0], undecided=outcome == "insufficient")
    against = rival[0] if rival[1] is None else f"{rival[0]} ({rival[1]:.4g})"
    spread = f"gain over {against} {gain.value:+.4f}, interval {gain.low:+.4f} to {gain.high:+.4f}"
    words = {
        "pass": f"{spread}; the limit is {needed:g}",
        "fail": f"{spread}: needs a lower end above {needed:g}",
        "insufficient": f"{spread}: too few examples to be sure of {needed:g}",
    }
    told = f"; {_would_decide(evidence, gain, sizes[1])}" if outcome == "insufficient" else ""
    numbers = {"value": value, "limit": needed, "gain": gain, "evidence": evidence}
    return verdict_of(gate, outcome, words[outcome] + told, **numbers)


def _outcome(gate: Gate, gain: Interval, needed: float) -> Outcome:
    """On which side of the limit the whole interval lies; an end on the limit itself is on neither.

    Accuracies of few examples are whole steps apart and often end on a limit: counted as passed, an end there let a
    model pass that is worse by just the margin 4.4 % of the time instead of 2.5 % (60 examples).
    """
    if gain.low == gain.high:
        # An identical model gains exactly 0 and is not below the champion, but neither is it above a baseline.
        return "pass" if gain.low > needed or (gate.not_below and gain.low == needed) else "fail"
    return "pass" if gain.low > needed else "fail" if gain.high < needed else "insufficient"


def _evidence(gain: Interval, needed: float, units: int, *, undecided: bool) -> Evidence:
    least = detectable(gain.low, gain.high, CONFIDENCE)
    wanted = units_needed(units, (gain.low, gain.value, gain.high), needed, CONFIDENCE) if undecided else None
    # An end may lie nearer to the limit than a symmetric interval's: one more is then what would decide.
    more = None if wanted is None else max(1, wanted - units)
    return Evidence(units=units, detectable=round(least, 6) or None, more=more)


def _would_decide(evidence: Evidence, gain: Interval, rows: int) -> str:
    """What an undecided gate needs, in words."""
    assert evidence.detectable is not None, "an interval of no width decides"
    told = f"this set detects {evidence.detectable:.4f} beyond it, {POWER:.0%} of the time"
    if evidence.more is None:
        return f"the gain lies on the limit itself, and no number of examples would decide; {told}"
    more = f"about {evidence.more:,} more examples"
    if evidence.units != rows:
        further = math.ceil(evidence.more * rows / evidence.units)
        more = f"about {evidence.more:,} more groups of examples, {further:,} rows like these,"
    return f"{more} would decide if {gain.value:+.4f} is the true gain; {told}"


def _too_few(gate: Gate, value: float, units: int) -> Verdict:
    evidence = Evidence(units=units, detectable=None, more=FEWEST - units)
    message = f"{units} independent examples, and an interval needs {FEWEST}: at least {FEWEST - units} more must come"
    return verdict_of(gate, "insufficient", message, value=value, evidence=evidence)


def units_of(report: Report) -> int | None:
    """The independent units of the test set, if the report says them and they can be: at least 1, at most its rows."""
    units, rows = report.get("groups"), report.get("n")
    whole = all(isinstance(count, int) and not isinstance(count, bool) for count in (units, rows))
    return units if whole and 1 <= units <= rows else None  # type: ignore[operator]


def _opponents(gate: Gate, report: Report) -> Mapping[str, Any]:
    if gate.above:
        baselines = report.get("baselines") or {}
        # Copying a text, say, gives no likelihood: what has not the metric at all is no opponent on it.
        return {name: other for name, other in baselines.items() if gate.metric in (at(other, "metrics") or {})}
    return {"champion": report["champion"]}


def gain_over(opponent: Any, *, higher: bool) -> Interval | None:
    """The difference from an opponent, turned so that positive is better; None unless it is three finite numbers."""
    low, value, high = (number(at(opponent, "difference", key)) for key in ("low", "value", "high"))
    if low is None or value is None or high is None or not low <= high:
        return None
    if higher:
        return Interval(value=value, low=low, high=high)
    # 0.0 - x and not -x: a difference of exactly zero stays a plain zero in words.
    return Interval(value=0.0 - value, low=0.0 - high, high=0.0 - low)


def higher_is_better(metric: str) -> bool | None:
    """Which way the metric points, or None where nobody says."""
    from models.metrics import HIGHER_IS_BETTER

    return HIGHER_IS_BETTER.get(metric)
