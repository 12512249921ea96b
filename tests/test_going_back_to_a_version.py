"""Any recorded version can be named, shown and made current again, with the data folder or without."""

import json
import shutil
import subprocess
import sys

import pytest

from pipelines import dataset
from pipelines.add_rows import add_rows
from pipelines.data_version import version_of
from pipelines.errors import Refused
from pipelines.settings import ROOT, read_settings
from pipelines.version_history import current, history, resolve
from pipelines.versions import Cause, pin
from tests.versioned_data import TRAIN, new_data, read, row, use, write

WHY = Cause("the test adds", "ada", ("landing/1",), "warn")


@pytest.fixture
def settings(tmp_path, monkeypatch):
    use(monkeypatch, tmp_path)
    new_data(tmp_path / "data")
    return read_settings()


@pytest.fixture
def add(tmp_path, settings):
    """Add rows to the training file."""

    def run(*rows, on_conflict="refuse", **options):
        path = write(tmp_path / "accepted.jsonl", rows)
        return add_rows({TRAIN: path}, on_conflict, WHY, settings, **options)

    return run


def scriptorium(*arguments, code=0):
    done = subprocess.run([sys.executable, "-m", "pipelines.cli", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_going_back_to_a_version_brings_its_files_and_is_recorded(settings, add):
    old, wanted = current(settings).md5, read(settings.data / TRAIN)
    new = add(row(7)).md5
    pin(old[:6], Cause("the new one was wrong", "ada"), settings)
    assert (current(settings).md5, read(settings.data / TRAIN)) == (old, wanted)
    dataset.verify()
    pin(new, Cause("it was right", "ada"), settings)
    dataset.verify()
    assert [(e.event, e.md5) for e in history(settings)] == [
        ("adopted", old),
        ("changed", new),
        ("pinned", old),
        ("pinned", new),
    ]


def test_a_pin_makes_a_missing_data_folder_again(settings, add):
    record = add(row(7))
    shutil.rmtree(settings.data)
    pin(record.md5, WHY, settings)
    dataset.verify()
    assert history(settings)[-1] == record


def test_a_build_brings_back_a_version_that_rows_made(settings, add):
    record = add(row(7))
    shutil.rmtree(settings.data)
    dataset.build()
    assert version_of(settings.data).md5 == record.md5


def test_a_version_is_named_by_six_digits_or_more(settings, add):
    md5 = add(row(7)).md5
    assert resolve(md5, settings) == resolve(md5[:6].upper(), settings) == md5
    for text, said in (
        ("12345", "6 to 32"),
        ("zzzzzz", "6 to 32"),
        ("0" * 32, "no version"),
        (f"{md5[:7]}g", "6 to 32"),
    ):
        with pytest.raises(Refused, match=f"{said}.*{md5[:12]}"):
            resolve(text, settings)


@pytest.mark.slow
def test_the_commands_list_show_and_go_back(settings, add):
    old, new = current(settings).md5, add(row(7)).md5
    listed = json.loads(scriptorium("data", "list", "--json").stdout)
    assert [(event["md5"], event["current"], event["rows"]) for event in listed] == [(new, True, 7), (old, False, 6)]
    shown = scriptorium("data", "show", new[:8]).stdout
    assert f"{TRAIN}: 1 added" in shown
    assert old in shown
    assert old in scriptorium("data", "pin", old[:8], "--reason", "back").stdout
    scriptorium("data", "verify")
    assert f"*  {old[:12]}" in scriptorium("data", "list").stdout
    assert new[:12] in scriptorium("data", "show", "ffffffff", code=10).stderr
