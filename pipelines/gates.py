"""May this model go out? A pure decision over the report's numbers; only "pass" passes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

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

    @property
    def passed(self) -> bool:
        return self.outcome == "pass"


def judge(gates: Sequence[Gate], report: Report) -> list[Verdict]:
    """One verdict per gate: absolute limits first, then the baselines, then the champion.

    A recipe without gates gets one verdict, an error: nothing was asked, so nothing was proved.
    """
    if not gates:
        return [Verdict(metric="none", condition="at least one gate", outcome="error", message="the recipe has none")]
    return [_judge(gate, report) for gate in sorted(gates, key=_place)]


def passed(verdicts: Sequence[Verdict]) -> bool:
    """Whether every gate passed, and there was one."""
    return bool(verdicts) and all(verdict.passed for verdict in verdicts)


def condition(gate: Gate) -> str:
    """A gate's condition in words."""
    if gate.at_least is not None:
        return f"at least {gate.at_least:g}"
    if gate.at_most is not None:
        return f"at most {gate.at_most:g}"
    by = f" by more than {gate.margin:g}" if gate.margin else ""
    if gate.above:
        return f"above every baseline{by}, {CONFIDENCE:.0%} sure"
    return f"not below the champion{by}, {CONFIDENCE:.0%} sure"


def metric_value(metric: str, report: Report) -> float | None:
    """The finite value of a gate's metric, or None: a test metric, or the change of bits per byte on one corpus."""
    if metric.startswith("bits_per_byte_") and metric.endswith("_change"):
        corpus = metric.removeprefix("bits_per_byte_").removesuffix("_change")
        return _number(_at(report, "bits_per_byte_change", corpus))
    return _number(_at(report, "metrics", metric, "value"))


def _place(gate: Gate) -> int:
    return 2 if gate.not_below else 1 if gate.above else 0


def _judge(gate: Gate, report: Report) -> Verdict:
    value = metric_value(gate.metric, report)
    if value is None:
        return _error(gate, f"the report has no finite value of {gate.metric}")
    if gate.at_least is not None:
        return _absolute(gate, value, gate.at_least, holds=value >= gate.at_least)
    if gate.at_most is not None:
        return _absolute(gate, value, gate.at_most, holds=value <= gate.at_most)
    if gate.not_below and "champion" not in report:
        return _error(gate, "it is not known whether there is a champion; nothing was compared with it", value)
    if gate.not_below and report["champion"] is None:
        return _verdict(gate, "pass", "first release: there is no champion to compare with", value=value)
    return _comparison(gate, value, report)


def _absolute(gate: Gate, value: float, limit: float, *, holds: bool) -> Verdict:
    relation = "within" if holds else "outside"
    message = f"{value:.4g} is {relation} the limit {limit:g}"
    return _verdict(gate, "pass" if holds else "fail", message, value=value, limit=limit)


def _comparison(gate: Gate, value: float, report: Report) -> Verdict:
    """Compare by the paired-bootstrap interval of the difference; the hardest opponent decides."""
    if gate.metric != report.get("primary"):
        return _error(gate, f"the report compares models on {report.get('primary')}, not on {gate.metric}", value)
    higher = _higher_is_better(gate.metric)
    if higher is None:
        return _error(gate, f"nobody says whether a higher {gate.metric} is better; add it to models/metrics.py", value)
    opponents = _opponents(gate, report)
    gains = {name: _gain(opponent, higher=higher) for name, opponent in opponents.items()}
    if not gains or None in gains.values():
        missing = [name for name, gain in gains.items() if gain is None] or ["baseline"]
        return _error(gate, f"the report has no finite difference from {', '.join(missing)}", value)
    hardest, gain = min(((n, g) for n, g in gains.items() if g), key=lambda named: named[1].low)
    rival = _number(_at(opponents[hardest], "metrics", gate.metric))
    if rival is None:
        rival = _number(_at(opponents[hardest], "metrics", gate.metric, "value"))
    return _by_interval(gate, value, hardest, rival, gain)


def _by_interval(gate: Gate, value: float, rival_name: str, rival: float | None, gain: Interval) -> Verdict:
    needed = gate.margin if gate.above else -gate.margin
    # An identical model gains exactly 0 and is not below the champion, but neither is it above a baseline.
    holds = gain.low > needed if gate.above else gain.low >= needed
    outcome: Outcome = "pass" if holds else "insufficient" if gain.high > needed else "fail"
    against = rival_name if rival is None else f"{rival_name} ({rival:.4g})"
    spread = f"gain over {against} {gain.value:+.4f}, interval {gain.low:+.4f} to {gain.high:+.4f}"
    words = {
        "pass": f"{spread}; the limit is {needed:g}",
        "fail": f"{spread}: needs a lower end {'above' if gate.above else 'of at least'} {needed:g}",
        "insufficient": f"{spread}: too few examples to be sure of {needed:g}",
    }
    return _verdict(gate, outcome, words[outcome], value=value, limit=needed, gain=gain)


def _opponents(gate: Gate, report: Report) -> Mapping[str, Any]:
    if gate.above:
        baselines = report.get("baselines") or {}
        # Copying a text, say, gives no likelihood: what has not the metric at all is no opponent on it.
        return {name: other for name, other in baselines.items() if gate.metric in (_at(other, "metrics") or {})}
    return {"champion": report["champion"]}


def _gain(opponent: Any, *, higher: bool) -> Interval | None:
    """The difference from an opponent, turned so that positive is better; None unless it is three finite numbers."""
    low, value, high = (_number(_at(opponent, "difference", key)) for key in ("low", "value", "high"))
    if low is None or value is None or high is None or not low <= high:
        return None
    if higher:
        return Interval(value=value, low=low, high=high)
    # 0.0 - x and not -x: a difference of exactly zero stays a plain zero in words.
    return Interval(value=0.0 - value, low=0.0 - high, high=0.0 - low)


def _higher_is_better(metric: str) -> bool | None:
    from models.metrics import HIGHER_IS_BETTER

    return HIGHER_IS_BETTER.get(metric)


def _at(value: Any, *path: str) -> Any:
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return value


def _number(value: Any) -> float | None:
    """A finite number, or None; True is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _error(gate: Gate, message: str, value: float | None = None) -> Verdict:
    return _verdict(gate, "error", message, value=value)


def _verdict(gate: Gate, outcome: Outcome, message: str, **numbers: Any) -> Verdict:
    return Verdict(metric=gate.metric, condition=condition(gate), outcome=outcome, message=message, **numbers)
