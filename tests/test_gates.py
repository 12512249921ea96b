"""The decision itself: which reports let a model out, and what the others are told."""

import math

import pytest

from models.tasks import TASKS
from pipelines.gates import judge, passed
from pipelines.recipe import Gate


def interval(value, low, high):
    return {"value": value, "low": low, "high": high}


def report(**changes):
    return {
        "primary": "accuracy",
        "n": 900,
        "groups": 900,
        "metrics": {"accuracy": interval(0.78, 0.75, 0.81), "f1": interval(0.77, 0.74, 0.80)},
        "baselines": {
            "overlap": {"metrics": {"accuracy": 0.64}, "difference": interval(0.14, 0.11, 0.17)},
            "cosine": {"metrics": {"accuracy": 0.70}, "difference": interval(0.08, 0.05, 0.11)},
        },
        "champion": None,
        "bits_per_byte_change": {"domain": -0.2, "general": 0.03},
    } | changes


def champion(value, low, high):
    return {
        "version": "3",
        "metrics": {"accuracy": interval(0.77, 0.74, 0.80)},
        "difference": interval(value, low, high),
    }


def outcome(gate, **changes):
    return judge([Gate(**gate)], report(**changes))[0].outcome


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        ({"metric": "accuracy", "at_least": 0.78}, "pass"),
        ({"metric": "accuracy", "at_least": 0.7801}, "fail"),
        ({"metric": "f1", "at_least": 0.74}, "pass"),
        ({"metric": "bits_per_byte_general_change", "at_most": 0.05}, "pass"),
        ({"metric": "bits_per_byte_general_change", "at_most": 0.02}, "fail"),
        ({"metric": "bits_per_byte_domain_change", "at_most": 0.0}, "pass"),
    ],
)
def test_an_absolute_gate_compares_the_value_with_its_limit(gate, expected):
    assert outcome(gate) == expected


@pytest.mark.parametrize(("metric", "task"), [("ece", "classification"), ("self_bleu", "generation")])
def test_calibration_and_diversity_can_have_a_limit_though_no_interval(metric, task):
    assert metric in TASKS[task].measures
    metrics = {metric: {"value": 0.04, "low": None, "high": None}}
    assert outcome({"metric": metric, "at_most": 0.05}, metrics=metrics) == "pass"
    assert outcome({"metric": metric, "at_most": 0.03}, metrics=metrics) == "fail"


@pytest.mark.parametrize("value", [math.nan, math.inf, None, "0.99", True])
def test_a_value_that_is_no_finite_number_never_passes(value):
    metrics = {"accuracy": {"value": value, "low": 0.9, "high": 0.9}}
    assert outcome({"metric": "accuracy", "at_least": 0.0}, metrics=metrics) == "error"
    assert outcome({"metric": "accuracy", "above": "baseline"}, metrics=metrics) == "error"
    assert outcome({"metric": "accuracy", "not_below": "champion"}, metrics=metrics) == "error"


def test_a_missing_metric_is_an_error_that_names_it():
    verdict = judge([Gate(metric="rouge_l", at_least=0.1)], report())[0]
    assert verdict.outcome == "error"
    assert "rouge_l" in verdict.message


def test_every_baseline_must_be_beaten_and_the_hardest_is_named():
    verdict = judge([Gate(metric="accuracy", above="baseline", margin=0.06)], report())[0]
    assert verdict.outcome == "insufficient"
    assert "cosine" in verdict.message
    assert outcome({"metric": "accuracy", "above": "baseline", "margin": 0.04}) == "pass"
    assert outcome({"metric": "accuracy", "above": "baseline", "margin": 0.12}) == "fail"


def test_a_tie_with_a_baseline_is_not_above_it():
    tie = {"copy": {"metrics": {"accuracy": 0.78}, "difference": interval(0.0, 0.0, 0.0)}}
    assert outcome({"metric": "accuracy", "above": "baseline"}, baselines=tie) == "fail"


def test_a_report_without_baselines_or_with_a_nan_difference_is_an_error():
    assert outcome({"metric": "accuracy", "above": "baseline"}, baselines={}) == "error"
    nan = report()["baselines"] | {"broken": {"metrics": {"accuracy": 0.1}, "difference": interval(0.6, math.nan, 0.7)}}
    assert outcome({"metric": "accuracy", "above": "baseline"}, baselines=nan) == "error"


def test_the_first_release_has_no_champion_to_be_below_and_says_so():
    verdict = judge([Gate(metric="accuracy", not_below="champion")], report())[0]
    assert (verdict.outcome, "first release" in verdict.message) == ("pass", True)


def test_a_report_that_does_not_say_whether_there_is_a_champion_never_passes():
    silent = report()
    del silent["champion"]
    verdict = judge([Gate(metric="accuracy", not_below="champion")], silent)[0]
    assert (verdict.outcome, "not known whether there is a champion" in verdict.message) == ("error", True)


@pytest.mark.parametrize(
    ("difference", "margin", "expected"),
    [
        ((0.0, 0.0, 0.0), 0.0, "pass"),  # the champion itself, trained again
        ((0.01, 0.001, 0.02), 0.0, "pass"),
        ((0.0, -0.0099, 0.0099), 0.01, "pass"),
        ((0.0, -0.01, 0.01), 0.01, "insufficient"),  # an end on the limit is on neither side
        ((-0.01, -0.01, -0.01), 0.01, "pass"),
        ((-0.03, -0.05, -0.01), 0.01, "insufficient"),
        ((0.0, -0.02, 0.02), 0.01, "insufficient"),
        ((-0.05, -0.07, -0.03), 0.01, "fail"),
    ],
)
def test_a_candidate_may_not_be_below_the_champion_by_more_than_the_margin(difference, margin, expected):
    gate = {"metric": "accuracy", "not_below": "champion", "margin": margin}
    assert outcome(gate, champion=champion(*difference)) == expected


def test_where_lower_is_better_the_difference_is_turned_round():
    lower = report(primary="bits_per_byte", metrics={"bits_per_byte": interval(1.2, 1.1, 1.3)})
    lower["baselines"] = {"ngram": {"metrics": {"bits_per_byte": 1.5}, "difference": interval(-0.3, -0.4, -0.2)}}
    gate = Gate(metric="bits_per_byte", above="baseline")
    assert judge([gate], lower)[0].outcome == "pass"
    lower["baselines"]["ngram"]["difference"] = interval(0.3, 0.2, 0.4)
    assert judge([gate], lower)[0].outcome == "fail"


def test_a_baseline_without_the_metric_is_no_opponent_but_somebody_must_be():
    copies = {"metrics": {"rouge_l": 0.4}, "difference": None}
    gate = {"metric": "accuracy", "above": "baseline"}
    assert outcome(gate, baselines=report()["baselines"] | {"copies": copies}) == "pass"
    assert outcome(gate, baselines={"copies": copies}) == "error"
    broken = {"broken": {"metrics": {"accuracy": 0.1}, "difference": None}}
    assert outcome(gate, baselines=report()["baselines"] | broken) == "error"


def test_a_comparison_on_another_metric_than_the_reports_is_an_error():
    assert outcome({"metric": "f1", "above": "baseline"}) == "error"


def test_without_gates_nothing_is_promotable():
    verdicts = judge([], report())
    assert not passed(verdicts)
    assert not passed([])
    assert verdicts[0].outcome == "error"


def test_limits_come_first_then_baselines_then_the_champion():
    gates = [
        Gate(metric="accuracy", not_below="champion"),
        Gate(metric="accuracy", above="baseline"),
        Gate(metric="f1", at_least=0.1),
    ]
    conditions = [v.condition for v in judge(gates, report())]
    assert [c.split()[0] for c in conditions] == ["at", "above", "not"]


def undecided(gain, margin=0.01, **changes):
    gate = Gate(metric="accuracy", not_below="champion", margin=margin)
    verdict = judge([gate], report(champion=champion(*gain), **changes))[0]
    assert verdict.outcome == "insufficient"
    return verdict


def test_too_few_examples_says_how_many_more_would_decide_and_what_this_set_detects():
    verdict = undecided((0.0, -0.02, 0.02))
    # The standard error is 0.02 / 1.96; it is detected at 1.96 + 0.84 of them, and the limit is 0.01 away.
    assert verdict.evidence.detectable == pytest.approx(0.02 * (1.959964 + 0.841621) / 1.959964, abs=1e-6)
    assert verdict.evidence.more == math.ceil(900 * (verdict.evidence.detectable / 0.01) ** 2) - 900
    assert f"about {verdict.evidence.more:,} more examples would decide if +0.0000 is the true gain" in verdict.message
    assert "this set detects 0.0286 beyond it, 80% of the time" in verdict.message


def test_a_gain_on_the_limit_itself_is_decided_by_no_number_of_examples():
    verdict = undecided((-0.01, -0.03, 0.01))
    assert verdict.evidence.more is None
    assert "no number of examples would decide" in verdict.message


def test_where_rows_come_in_groups_it_is_groups_that_are_missing():
    verdict = undecided((0.0, -0.02, 0.02), groups=300)
    assert verdict.evidence.units == 300
    assert verdict.evidence.more == pytest.approx(undecided((0.0, -0.02, 0.02)).evidence.more / 3, abs=1)
    assert f"{verdict.evidence.more:,} more groups of examples, {3 * verdict.evidence.more:,} rows" in verdict.message


def test_an_interval_of_a_handful_of_examples_is_not_believed():
    gate = {"metric": "accuracy", "above": "baseline"}
    assert outcome(gate, groups=30) == "pass"
    verdict = judge([Gate(**gate)], report(groups=29))[0]
    assert (verdict.outcome, verdict.evidence.more) == ("insufficient", 1)
    assert "29 independent examples, and an interval needs 30: at least 1 more" in verdict.message


@pytest.mark.parametrize("groups", [None, 0, 901, 30.0, True, "900"])
def test_a_report_that_does_not_say_how_many_examples_are_independent_never_passes(groups):
    assert outcome({"metric": "accuracy", "above": "baseline"}, groups=groups) == "error"


def test_what_a_set_detects_stands_in_every_comparison_that_was_decided():
    for gate in ({"above": "baseline"}, {"above": "baseline", "margin": 0.12}):
        verdict = judge([Gate(metric="accuracy", **gate)], report())[0]
        assert verdict.evidence.more is None
        assert verdict.evidence.detectable == pytest.approx(0.0429, abs=1e-4)


def test_a_verdict_without_evidence_is_written_as_before_there_was_any():
    limit = judge([Gate(metric="accuracy", at_least=0.5)], report())[0]
    assert "evidence" not in limit.model_dump(mode="json")
    assert type(limit).model_validate(limit.model_dump(mode="json")) == limit
