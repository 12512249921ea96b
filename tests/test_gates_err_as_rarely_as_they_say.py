"""The gates' own error rates: simulated pairs of models go through the real intervals and the real decision."""

import math

import numpy as np
import pytest

from models.bootstrap import difference, interval
from models.mcnemar import mcnemar
from models.power import POWER
from models.statistics import mean
from pipelines.comparison import rounded
from pipelines.gates import judge
from pipelines.recipe import Gate
from pipelines.verdict import CONFIDENCE

pytestmark = pytest.mark.slow
SIMULATIONS, COUNT, RESAMPLES = 2_000, 400, 1_000
LEVEL = (1 - CONFIDENCE) / 2
# Three standard errors of a rate of LEVEL among as many simulations: what chance does to a gate that is as it says.
ROOM = 3 * math.sqrt(LEVEL * (1 - LEVEL) / SIMULATIONS)


def simulated(gain, seed, count=COUNT, disagree=0.15):
    """Which answers of two models are right: they disagree on a share of the examples, and differ by `gain`."""
    drawn = np.random.default_rng([seed, 1]).random(count)
    wins, losses = (disagree + gain) / 2, (disagree - gain) / 2
    both = np.random.default_rng([seed, 2]).random(count) < 0.75
    ours = np.where(drawn < wins, True, np.where(drawn < wins + losses, False, both))
    theirs = np.where(drawn < wins, False, np.where(drawn < wins + losses, True, both))
    return ours, theirs


def verdict(gate, ours, theirs, seed, groups=None):
    """What the gate says of two models: the rival is the champion, and the baseline too."""
    groups = range(len(ours)) if groups is None else groups
    gap = interval(difference(mean(ours), mean(theirs)), groups, seed=seed, resamples=RESAMPLES)
    rival = {"metrics": {"accuracy": float(theirs.mean())}, "difference": rounded(gap)}
    report = {"primary": "accuracy", "n": len(ours), "groups": len(set(groups)), "champion": rival}
    report |= {"baselines": {"trivial": rival}, "metrics": {"accuracy": {"value": float(ours.mean())}}}
    return judge([gate], report)[0]


def rate(gate, gain, outcome, **models):
    """How often the gate comes to an outcome on models that truly differ by `gain`."""
    said = [verdict(gate, *simulated(gain, seed, **models), seed).outcome for seed in range(SIMULATIONS)]
    return said.count(outcome) / SIMULATIONS


BEATS = Gate(metric="accuracy", above="baseline")
HOLDS = Gate(metric="accuracy", not_below="champion", margin=0.05)


@pytest.mark.parametrize(
    ("gate", "gain", "outcome", "models"),
    [
        (BEATS, 0.0, "pass", {}),
        (BEATS, 0.0, "fail", {}),
        (HOLDS, -0.05, "pass", {}),
        (HOLDS, -0.05, "pass", {"count": 100}),
    ],
    ids=[
        "an equal model passes for a better one",
        "an equal model is told that it is worse",
        "a model worse by just the margin passes",
        "the same on a small set",
    ],
)
def test_a_gate_is_wrong_no_more_often_than_its_level(gate, gain, outcome, models):
    found = rate(gate, gain, outcome, **models)
    print(f"{found:.4f}")
    assert found <= LEVEL + ROOM


def test_the_smallest_difference_that_a_gate_says_it_detects_is_detected_as_often_as_it_says():
    said = [verdict(HOLDS, *simulated(0.0, seed), seed).evidence.detectable for seed in range(50)]
    gain = HOLDS.margin * -1 + float(np.median(said))
    found = rate(HOLDS, gain, "pass")
    print(f"{gain:+.4f} passes {found:.3f}")
    assert found == pytest.approx(POWER, abs=0.04)


def test_with_as_many_more_examples_as_an_undecided_gate_asks_for_it_is_decided_as_often_as_it_says():
    undecided = next(
        found
        for seed in range(100)
        if (found := verdict(BEATS, *simulated(0.03, seed), seed)).outcome == "insufficient"
        and abs(found.gain.value - 0.03) < 0.001
    )
    gain, count = undecided.gain.value, COUNT + undecided.evidence.more
    found = sum(verdict(BEATS, *simulated(gain, seed, count=count), seed).passed for seed in range(500)) / 500
    print(f"{count:,} examples: {found:.3f}")
    assert found == pytest.approx(POWER, abs=0.07)


def test_groups_of_examples_do_not_make_a_gate_surer_than_it_is():
    """Each answer stands there four times: without its group a gate would be wrong in a sixth of the cases."""
    groups = np.repeat(np.arange(150), 4).tolist()

    def wrong(known):
        repeated = ([np.repeat(one, 4) for one in simulated(0.0, seed, count=150)] for seed in range(600))
        return sum(verdict(BEATS, *pair, seed, groups if known else None).passed for seed, pair in enumerate(repeated))

    assert wrong(known=True) <= 600 * LEVEL + 3 * math.sqrt(600 * LEVEL)
    assert wrong(known=False) > 600 * 3 * LEVEL


@pytest.mark.parametrize("outcome", ["pass", "fail"])
def test_a_clearly_better_and_a_clearly_worse_model_are_told(outcome):
    gain = 0.12 if outcome == "pass" else -0.12
    said = [verdict(BEATS, *simulated(gain, seed, disagree=0.2), seed).outcome for seed in range(100)]
    assert said.count(outcome) > 97


def test_mcnemars_test_is_that_of_the_binomial_and_keeps_its_level():
    """Of 12 examples on which two models disagree 3 go one way: 2 (1 + 12 + 66) + 220 of 4,096 splits."""
    told = mcnemar([True] * 9 + [False] * 3 + [True] * 5, [False] * 9 + [True] * 3 + [True] * 5, range(17))
    assert told == {"won": 9, "lost": 3, "p": pytest.approx((2 * (1 + 12 + 66) + 220) / 4096, abs=1e-6)}
    assert mcnemar([True], [True], ["a"]) == {"won": 0, "lost": 0, "p": 1.0}
    assert mcnemar([True, False], [False, True], "ab")["p"] == 1.0
    assert mcnemar([True, True, False], [False, False, True], "aab") == mcnemar([True, False], [False, True], "ab")
    small = [mcnemar(*simulated(0.0, seed), range(COUNT))["p"] <= 0.05 for seed in range(SIMULATIONS)]
    assert sum(small) / SIMULATIONS <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / SIMULATIONS)
