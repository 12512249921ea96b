"""Rows that benchmarks make of real sets, and the processes that work on several of them at once."""

import os
import signal
import time
from threading import Timer

import pytest

from models.stop import Stopped
from tests.benchmarks.side_by_side import done
from tests.benchmarks.task_rows import by_subject, few, looked_up, question_pairs
from tests.benchmarks.task_sets import COMPARED, SETS


def known(subjects, each):
    return [
        {"id": f"{s}.{n}", "question": f"question {n} of {s}?", "answer": f"answer {n} of {s}", "focus": str(s)}
        for s in range(subjects)
        for n in range(each)
    ]


def halves(rows):
    return rows[: len(rows) // 2], rows[len(rows) // 2 :], []


def test_a_question_stands_once_with_its_answer_or_another_of_its_subject():
    pairs = question_pairs(by_subject(known(100, 4), halves)[0])
    assert len({pair["text_a"] for pair in pairs}) == len(pairs) == 200
    own = [pair["text_b"] == pair["text_a"].replace("question", "answer").rstrip("?") for pair in pairs]
    assert own == [pair["label"] == "answers" for pair in pairs]
    assert 60 < sum(own) < 140
    assert all(pair["text_a"].rpartition(" ")[2].rstrip("?") == pair["text_b"].rpartition(" ")[2] for pair in pairs)


def test_no_subject_is_in_two_splits_and_a_question_of_two_subjects_is_taken_once():
    rows = [*known(6, 3), {"id": "again", "question": "Question 0 of 0?", "answer": "another", "focus": "5"}]
    one, two, _ = by_subject(rows, halves)
    subjects = [{row["focus"] for of_subject in part for row in of_subject} for part in (one, two)]
    assert not subjects[0] & subjects[1]
    assert sum(len(of_subject) for part in (one, two) for of_subject in part) == 18


def test_pairs_are_the_same_in_any_order_of_the_rows():
    rows = known(20, 4)
    assert question_pairs(by_subject(rows, halves)[0]) == question_pairs(
        [of_subject[::-1] for of_subject in by_subject(rows, halves)[0]]
    )


def test_a_subject_with_one_answer_makes_no_pair():
    assert question_pairs([known(1, 1)]) == []
    assert question_pairs([[row | {"answer": "the same"} for row in known(1, 3)]]) == []


def test_few_takes_the_first_rows_of_each_label():
    rows = [{"label": label, "n": n} for n, label in enumerate("aabbbca")]
    assert [row["n"] for row in few(rows, 2)] == [0, 1, 2, 3, 5]


def test_dialogs_get_replies_of_other_training_rows_as_context():
    def row(asked, reply):
        return {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": reply}]}

    train = [row("Do you like tea?", "I like tea."), row("Which tea?", "Green tea."), row("Which one?", "Green tea.")]
    train += [row("Coffee?", "No coffee."), row("And milk?", "Milk, yes.")]
    found = looked_up({"train": train, "test": [row("Is green tea good?", "It is.")]})
    assert found["test"][0]["context"][0] == "Green tea."
    assert all(len(row["context"]) == 3 for rows in found.values() for row in rows)
    assert [row["messages"][-1]["content"] in row["context"] for row in found["train"][:2]] == [False, True]


def test_every_row_of_the_table_has_a_name_of_its_own():
    assert len({one.name for one in (*SETS, *COMPARED)}) == len(SETS) + len(COMPARED)


def slept(seconds):
    time.sleep(seconds)
    return os.getpid(), os.environ["OMP_NUM_THREADS"]


def test_work_ends_in_its_own_order_in_several_processes_of_one_thread():
    before = dict(os.environ)
    found = list(done(slept, [1.0, 0.01, 0.02], 2))
    assert [seconds for seconds, _ in found] == [0.01, 0.02, 1.0]
    assert len({process for _, (process, _) in found}) == 2
    assert {threads for _, (_, threads) in found} == {"1"}
    assert dict(os.environ) == before


def refused(_):
    raise ValueError("no such rows")


def test_what_fails_in_a_process_fails_here():
    with pytest.raises(ValueError, match="no such rows"):
        list(done(refused, [1], 1))


def test_sigterm_ends_the_processes_too_and_is_told_as_a_stop():
    Timer(1.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        list(done(slept, [60.0, 60.0], 2))
    assert time.monotonic() - began < 20
