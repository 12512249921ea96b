"""Two versions are compared by the ids of their rows; shifts of labels and lengths are one line each."""

import json
import subprocess
import sys

import pytest

from pipelines.add_rows import add_rows
from pipelines.errors import Refused
from pipelines.settings import ROOT, read_settings
from pipelines.version_diff import diff
from pipelines.version_history import Change, current
from pipelines.versions import Cause, new_version
from tests.versioned_data import TRAIN, new_data, row, use, write

WHY = Cause("the test adds", "ada")


@pytest.fixture
def settings(tmp_path, monkeypatch):
    use(monkeypatch, tmp_path)
    new_data(tmp_path / "data", rows=30)
    return read_settings()


def rewrite(settings, *lines):
    """Make the training file hold just these lines."""

    def edit(old):
        removed = sum(1 for _ in old)
        yield from lines
        return Change(added=len(lines), removed=removed)

    return new_version({TRAIN: edit}, WHY, settings).md5


def rows_as_lines(*rows):
    return [json.dumps(r).encode() for r in rows]


def test_rows_are_told_apart_by_id_with_ten_examples(tmp_path, settings):
    old = current(settings).md5
    kept = [row(n) for n in range(15)]
    changed = [row(15, "glad", "good"), row(16, "sad", "bad")]
    new = rewrite(settings, *rows_as_lines(*changed, *reversed(kept), *(row(n) for n in range(100, 112))))
    (file,) = diff(old, new, settings)
    assert (file.file, file.state) == (TRAIN, "changed")
    assert (file.added.count, file.removed.count, file.changed.count) == (12, 13, 2)
    assert file.added.ids == tuple(f"row-{n}" for n in range(100, 110))
    assert file.removed.ids == tuple(f"row-{n}" for n in range(17, 27))
    assert file.changed.ids == ("row-15", "row-16")


def test_another_order_or_spelling_is_no_changed_row(settings):
    old = current(settings).md5
    lines = [json.dumps(row(n), sort_keys=True, separators=(",", ":")).encode() for n in reversed(range(30))]
    (file,) = diff(old, rewrite(settings, *lines), settings)
    assert (file.added.count, file.removed.count, file.changed.count) == (0, 0, 0)


def test_shifts_of_labels_and_lengths_are_said(settings):
    old = current(settings).md5
    new = rewrite(settings, *rows_as_lines(*(row(n, "x" * 100, "good" if n < 15 else "neutral") for n in range(30))))
    (file,) = diff(old, new, settings)
    assert "neutral 100.0% -> 50.0%" in file.labels
    assert "good 0.0% -> 50.0%" in file.labels
    assert file.lengths == "median 5 (95 % up to 5) -> 100 (95 % up to 100) characters"


def test_a_new_file_and_a_file_without_rows_are_named(tmp_path, settings):
    old = current(settings).md5
    new = add_rows(
        {"tasks/other/test.jsonl": write(tmp_path / "a.jsonl", [row(1), row(2)])}, "refuse", WHY, settings
    ).md5
    (file,) = diff(old, new, settings)
    assert (file.file, file.state, file.added.ids) == ("tasks/other/test.jsonl", "new", ("row-1", "row-2"))
    (file,) = diff(new, old, settings)
    assert (file.state, file.removed.ids) == ("gone", ("row-1", "row-2"))


def test_the_same_version_has_no_difference(settings):
    md5 = rewrite(settings, *rows_as_lines(row(1)))
    assert diff(md5, md5, settings) == []


def test_rows_without_an_id_cannot_be_compared_and_that_is_said(settings):
    old = current(settings).md5
    with pytest.raises(Refused, match=r"train\.jsonl has a row that is no JSON object with an id"):
        diff(old, rewrite(settings, b"[1, 2]"), settings)


@pytest.mark.slow
def test_the_command_says_it_in_words_and_in_json(settings):
    old = current(settings).md5
    new = rewrite(settings, *rows_as_lines(*(row(n) for n in range(31))))
    command = [sys.executable, "-m", "pipelines.cli", "data", "diff", old[:8], new[:8]]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"{TRAIN} changed\n  added    1: row-30\n" in said
    said = subprocess.run([*command, "--json"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert json.loads(said)[0]["added"] == {"count": 1, "ids": ["row-30"]}
