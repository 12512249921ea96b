"""May this model go out? A pure decision over the report's numbers; only "pass" passes."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.behaviour_recipe import PASSED
from pipelines.compared import compared
from pipelines.recipe import Gate
from pipelines.robustness_recipe import FLIPS, LOSS
from pipelines.safety_recipe import COPIES, STEREOTYPES, TOXIC
from pipelines.slice_gate import judge_slices
from pipelines.speed_recipe import SIZE, SPEED
from pipelines.verdict import Report, Verdict, as_error, at, number, verdict_of

# Where the report has numbers with names of their own.
PLACES = {
    SIZE: ("size", "bytes"),
    COPIES: ("verbatim", "rate", "value"),
    TOXIC: ("toxicity", "rate", "value"),
    STEREOTYPES: ("bias", "rate", "value"),
}


def judge(gates: Sequence[Gate], report: Report) -> list[Verdict]:
    """One verdict per gate: absolute limits first, then the baselines, the champion, and its slices.

    A recipe without gates gets one verdict, an error: nothing was asked, so nothing was proved.
    """
    if not gates:
        return [Verdict(metric="none", condition="at least one gate", outcome="error", message="the recipe has none")]
    return [_judge(gate, report) for gate in sorted(gates, key=_place)]


def passed(verdicts: Sequence[Verdict]) -> bool:
    """Whether every gate passed, and there was one."""
    return bool(verdicts) and all(verdict.passed for verdict in verdicts)


def metric_value(metric: str, report: Report) -> float | None:
    """The finite value of a gate's metric, or None: of the test rows, of a language, or of a suite."""
    if metric.startswith("bits_per_byte_") and metric.endswith("_change"):
        corpus = metric.removeprefix("bits_per_byte_").removesuffix("_change")
        return number(at(report, "bits_per_byte_change", corpus))
    for prefix, key in ((FLIPS, "flip_rate"), (LOSS, "loss")):
        if metric.startswith(prefix):
            return number(at(report, "robustness", metric.removeprefix(prefix), key, "value"))
    if path := PLACES.get(metric):
        return number(at(report, *path))
    if metric.startswith(SPEED):
        return number(at(report, "speed", metric.removeprefix(SPEED)))
    if metric.startswith(PASSED):
        return number(at(report, "behaviour", metric.removeprefix(PASSED), "rate"))
    return number(at(report, "metrics", metric, "value"))


def _place(gate: Gate) -> int:
    return 3 if gate.slices else 2 if gate.not_below else 1 if gate.above else 0


def _judge(gate: Gate, report: Report) -> Verdict:
    value = metric_value(gate.metric, report)
    if value is None:
        return as_error(gate, f"the report has no finite value of {gate.metric}")
    if gate.at_least is not None:
        return _absolute(gate, value, gate.at_least, holds=value >= gate.at_least)
    if gate.at_most is not None:
        return _absolute(gate, value, gate.at_most, holds=value <= gate.at_most)
    if gate.not_below and "champion" not in report:
        return as_error(gate, "it is not known whether there is a champion; nothing was compared with it", value)
    if gate.not_below and report["champion"] is None:
        return verdict_of(gate, "pass", "first release: there is no champion to compare with", value=value)
    return judge_slices(gate, value, report) if gate.slices else compared(gate, value, report)


def _absolute(gate: Gate, value: float, limit: float, *, holds: bool) -> Verdict:
    relation = "within" if holds else "outside"
    message = f"{value:.4g} is {relation} the limit {limit:g}"
    return verdict_of(gate, "pass" if holds else "fail", message, value=value, limit=limit)
