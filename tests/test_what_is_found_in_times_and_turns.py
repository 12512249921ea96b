"""Impossible times, dialogs out of turn and interactions out of order are found, and nothing else."""

import pytest

from pipelines.judgement import pair_subject
from tests.sets_of_rows import dialog, found, good_dialog, tally, text, unmet, with_fault

__all__ = ["found", "tally"]


GOOD_TIMES = ["2018-03-15", "2018-03-15T09:30:00+08:00", "2018-03-15 09:30", "2018-03-15T09:30:59.123Z", "2026-11-24"]
BAD_TIMES = [
    "03/15/2018",
    "15.03.2018",
    "20180315",
    "1521072000",
    "yesterday",
    "0000-00-00",
    "2018-02-30",
    "2018-13-01",
]


BAD_TIMES += [
    "2087-01-01",
    "1066-10-14",
    "2018-03-15T25:00",
    "2018-03-15T09:61",
    "2018-3-5",
    "2018-03-15T",
    "",
    " 2018-03-15",
]


BAD_TIMES += ["2026-11-26", "1987-03-31T605:12:19", "2018-03-15T09:30:61", None]


@pytest.mark.parametrize("time", GOOD_TIMES)
def test_dates_and_times_of_iso_8601_are_right(found, time):
    assert found(with_fault({"timestamp": time}, at=range(1, 41))) == {}


@pytest.mark.parametrize("time", BAD_TIMES)
def test_other_forms_impossible_dates_and_the_future_are_set_aside_and_not_guessed(found, time):
    assert found(with_fault({"timestamp": time})) == {"timestamps": ("quarantine", [3])}


def test_unix_seconds_are_for_interactions_and_milliseconds_are_none(found):
    rows = [interaction(n) for n in range(40)]
    assert found(rows, "recommendation") == {}
    rows[5] = interaction(5, timestamp=828212412000)
    assert found(rows, "recommendation")["timestamps"] == ("quarantine", [6])


def interaction(n, **more):
    base = {"id": f"i{n}", "user_id": f"u{n % 4}", "item_id": f"m{n}", "title": text(n), "text": "Crime", "rating": 4}
    return base | {"label": n % 2, "timestamp": 828212412 + n} | more


def test_interactions_out_of_order_and_items_never_trained_on_are_doubtful(found, tally):
    rows = [interaction(n) for n in range(40)]
    rows[20]["timestamp"] = 828212400
    assert found(rows, "recommendation")["unordered"] == ("warn", [21])
    train = tally([interaction(n) for n in range(40)], "recommendation")
    test = tally(
        [interaction(n, id=f"t{n}", user_id="new") for n in range(35, 45)], "recommendation", role="evaluation"
    )
    assert unmet(pair_subject("both", test, train)) == {"cold_items": ("warn", [6, 7, 8, 9, 10])}
    again = tally([interaction(n, id=f"t{n}") for n in range(30, 40)], "recommendation", role="evaluation")
    assert unmet(pair_subject("both", again, train))["leakage"] == ("reject", list(range(1, 11)))


@pytest.mark.parametrize(
    ("turns", "check"),
    [
        ([("assistant", "Hi")], "turn_order"),
        ([("user", "a"), ("user", "b")], "turn_order"),
        ([("user", "a"), ("system", "b")], "turn_order"),
        ([("user", "a"), ("bot", "b")], "turn_order"),
        ([("user", "a"), ("assistant", " ")], "empty_turns"),
        ([("user", "\u3000")], "empty_texts"),
        ([], "empty_texts"),
    ],
)
def test_dialogs_out_of_turn_and_empty_ones_are_set_aside(found, turns, check):
    rows = [good_dialog(n) for n in range(40)]
    rows[4] = dialog(4, *turns)
    assert found(rows, "dialog") == {check: ("quarantine", [5])}


def test_a_dialog_may_begin_with_the_system(found):
    rows = [good_dialog(n) for n in range(40)]
    rows[4] = dialog(4, ("system", "Be brief"), ("user", text(90)), ("assistant", "Yes"))
    assert found(rows, "dialog") == {}


@pytest.mark.parametrize(
    ("role", "severity"), [("part", "warn"), ("batch", "reject"), ("training", "reject"), ("evaluation", "reject")]
)
def test_a_dialog_without_an_answer_is_no_example(found, role, severity):
    rows = [good_dialog(n) for n in range(40)]
    rows[4] = dialog(4, ("user", text(90)), ("assistant", "Yes"), ("user", "Good"))
    assert found(rows, "dialog", role=role) == {"unanswered": (severity, [5])}
