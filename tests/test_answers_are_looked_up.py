"""What a finder knows about the question of a dialog is put beside it, in the row that is learned from and asked."""

import json
import os
import subprocess
import sys

import pytest

from models.tasks import TASKS
from models.tasks.dialog import DIALOG, asked, example
from pipelines.errors import Refused
from pipelines.formats import FORMATS
from pipelines.look_up import looked_up, problem_of, searched
from pipelines.new_file import new_file
from pipelines.predict import read_rows
from pipelines.row_search import by_text
from pipelines.row_text import telling
from pipelines.rows import problems
from pipelines.settings import ROOT

HELLO = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "What can I do for you?"}]
OPEN = {"role": "user", "content": "When do you open?"}
REPLY = {"role": "assistant", "content": "We open at nine."}
STORED = {"id": "d1", "messages": [*HELLO, OPEN, REPLY], "lang": "en", "group": "g7"}
FOUND = {"prediction": "At nine.", "answers": [{"answer": text, "score": 0.5} for text in ("At nine.", "Yes.", "No.")]}


def test_a_finder_is_asked_what_the_user_said_last_before_the_answer_too():
    assert searched({"messages": [*HELLO, OPEN]}) == searched(STORED) == {"question": "When do you open?"}


def test_the_best_answers_stand_in_the_row_that_is_learned_and_in_the_one_that_is_asked():
    columns = looked_up(FOUND, "models:/finder/4", 2)
    assert columns == {"context": ["At nine.", "Yes."], "context_from": "models:/finder/4"}
    row = STORED | columns
    assert problems(row, FORMATS["dialog"]) == []
    assert asked(example(row)).head == "Known: At nine.\nKnown: Yes."
    (served,) = read_rows([json.dumps({"messages": [OPEN]} | columns)], "pipe", DIALOG)
    assert served == {"messages": [OPEN], "context": ["At nine.", "Yes."]}


def test_a_context_is_replaced_only_where_that_is_said():
    row = STORED | {"context": ["At ten."]}
    assert "give --replace" in problem_of(row, replace=False)
    assert problem_of(row, replace=True) is None
    assert [problem_of(STORED | {"context": none}, replace=False) for none in (None, [])] == [None, None]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({}, "'messages' must be a list"),
        ([], "'messages' must be a list"),
        ({"messages": [{"role": "user"}]}, "'messages.0.content' is missing"),
        ({"messages": []}, "there are none; end with what the user asks"),
        ({"messages": [*HELLO, {"role": "boss", "content": "Hello"}]}, "number 3 has a role that there is not"),
        ({"messages": [*HELLO, REPLY]}, "the last answer follows no question of the user's"),
        ({"messages": [OPEN], "context": "At nine."}, "'context' is a text"),
    ],
)
def test_where_nothing_can_be_looked_up_the_reason_is_said(row, why):
    assert why in problem_of(row, replace=True)


def test_dialogs_with_the_same_known_answer_are_no_copies_but_hold_one():
    """So that to forget a dialog names no stranger's, and to forget a known answer names the dialogs that hold it."""
    answer = "The branch in the old town opens at nine in the morning."
    texts = ("When does the branch in the old town open, please?", "Is the old town's branch still closed at ten?")
    one, other = (
        {"messages": [{"role": "user", "content": text}], "context": [answer], "context_from": "models:/finder/12"}
        for text in texts
    )
    assert list(by_text(telling(one))([other])) == []
    assert list(by_text(telling({"id": "f1", "question": "When?", "answer": answer}))([one])) == [(0, "same text")]


def test_of_two_that_write_one_file_at_once_each_writes_a_whole_one(tmp_path, monkeypatch):
    path = tmp_path / "rows.jsonl"
    with new_file(path) as mine:
        mine.write("mi")
        monkeypatch.setattr(os, "getpid", lambda: 1)
        with new_file(path) as other:
            other.write("other\n")
        assert path.read_text() == "other\n"
        mine.write("ne\n")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"rows.jsonl": "mine\n"}


def test_a_new_file_is_whole_or_not_there(tmp_path):
    path = tmp_path / "rows.jsonl"
    with pytest.raises(ValueError, match="on the way"), new_file(path) as file:
        file.write("half")
        raise ValueError("on the way")
    assert list(tmp_path.iterdir()) == []
    with new_file(path) as file:
        file.write("whole\n")
    with pytest.raises(Refused, match=r"rows\.jsonl exists; name a file that does not"), new_file(path):
        pass
    with pytest.raises(Refused, match="is no folder that can be written in"), new_file(path / "more.jsonl"):
        pass
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"rows.jsonl": "whole\n"}


def test_a_command_whose_reader_has_gone_says_nothing():
    read, write = os.pipe()
    os.close(read)
    code = "import typer; from pipelines.json_lines import print_rows; typer.run(lambda: print_rows([{'a': 1}]))"
    buffered = os.environ | {"PYTHONUNBUFFERED": ""}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=buffered, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


def test_one_task_reads_a_context_and_one_kind_of_task_finds_answers():
    """`look-up` joins these two; another that does either has to be joined too."""
    assert [name for name, task in TASKS.items() if "context" in task.columns] == ["dialog"]
    assert [name for name, task in TASKS.items() if task.answer == "passage"] == ["retrieval"]


def test_rows_are_printed_as_the_next_command_reads_them_whatever_the_locale():
    script = "from pipelines.json_lines import print_rows; print_rows([{'id': '\\u4e2d'}])"
    environment = os.environ | {"PYTHONIOENCODING": "gbk"}
    found = subprocess.run([sys.executable, "-c", script], env=environment, cwd=ROOT, capture_output=True, check=True)
    assert found.stdout.decode() == '{"id": "\N{CJK UNIFIED IDEOGRAPH-4E2D}"}\n'


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"messages": [], "score": NaN}', "no JSON number"),
        ('{"messages": [], "messages": []}', "messages"),
        ('{"messages": [], "note": "\\ud800"}', "is no character"),
    ],
)
def test_a_line_that_is_no_json_is_refused_and_not_handed_on(line, why):
    with pytest.raises(Refused, match=rf"pipe, line 1: not JSON.*{why}"):
        list(read_rows([line], "pipe", DIALOG))
