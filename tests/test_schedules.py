"""How fast a training learns: what its learning rate does from the first step to the last."""

import pytest

pytestmark = pytest.mark.slow

LENGTHS = (1, 2, 7, 16, 17, 100, 333, 4096)
SHARES = (0.0, 0.03, 0.06, 0.5)


def rates(schedule, steps, warm_up=0.06):
    from models.schedule import Pace

    factor = Pace(1e-3, warm_up=warm_up, schedule=schedule).factors(steps)
    return [factor(step) for step in range(steps)]


@pytest.mark.parametrize("warm_up", SHARES)
@pytest.mark.parametrize("steps", LENGTHS)
def test_linear_is_to_the_bit_what_trainings_had_before_there_was_a_choice(steps, warm_up):
    rise = max(1, round(warm_up * steps))
    before = [min((n + 1) / rise, (steps - n) / max(1, steps - rise + 1), 1.0) for n in range(steps)]
    assert rates("linear", steps, warm_up) == before


@pytest.mark.parametrize("warm_up", SHARES)
@pytest.mark.parametrize("steps", LENGTHS)
@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant", "wsd"])
def test_every_step_learns_and_none_faster_than_at_the_peak(schedule, steps, warm_up):
    found = rates(schedule, steps, warm_up)
    assert all(0 < rate <= 1 for rate in found)
    peak = max(1, round(warm_up * steps)) - 1
    assert found[peak] == 1
    assert found[:peak] == sorted(found[:peak])
    assert found[peak:] == sorted(found[peak:], reverse=True)


def test_cosine_ends_at_a_tenth_and_is_half_way_down_in_the_middle():
    found = rates("cosine", 1000, 0.0)
    assert found[-1] == pytest.approx(0.1, abs=1e-4)
    assert found[500] == pytest.approx(0.55, abs=1e-2)


def test_constant_stays():
    assert set(rates("constant", 1000)[60:]) == {1.0}


def test_wsd_stays_and_falls_in_the_last_fifth_fastest_at_first():
    found = rates("wsd", 1000)
    assert set(found[60:800]) == {1.0}
    assert found[850] == pytest.approx(1 - (50 / 200) ** 0.5, abs=0.02)
    assert found[-1] < 0.01


def test_a_longer_warm_up_rises_longer():
    assert rates("linear", 100, 0.5)[9] == pytest.approx(0.2)
    assert rates("linear", 100, 0.1)[9] == 1
