"""Killed at any point, a change of the data is finished by the next try, or never was; two at once both count."""

import json
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from pipelines import dataset
from pipelines.add_rows import add_rows
from pipelines.data_version import version_of
from pipelines.settings import ROOT, read_settings
from pipelines.verify_remote import verify_remote
from pipelines.version_history import current, history, versions
from pipelines.versions import Cause
from tests.versioned_data import TRAIN, new_data, read, row, use, write

pytestmark = pytest.mark.service

# How many changes of a file lie between the kills.
APART = pytest.mark.parametrize("apart", [3, pytest.param(1, marks=pytest.mark.thorough)])

ADD = """
import sys, pathlib
from pipelines.add_rows import add_rows
from pipelines.settings import read_settings
from pipelines.versions import Cause
add_rows({sys.argv[1]: pathlib.Path(sys.argv[2])}, "refuse", Cause("at once", "ada"), read_settings())
"""
FETCH = """
import sys, pathlib, types
from pipelines import dataset
from pipelines.settings import read_settings
out = pathlib.Path(sys.argv[2]); out.mkdir()
run = types.SimpleNamespace(dataset_md5=sys.argv[1])
dataset.dataset(types.SimpleNamespace(run=run, out=out, settings=read_settings()))
"""


@pytest.fixture(scope="module")
def order():
    """Give an order to tests/change_data.py and return how its child ended."""
    command = [sys.executable, "-m", "tests.change_data"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def give(root, **values):
            words = {"home": str(root / "home"), "data": str(root / "data"), "file": TRAIN, "kill_at": None} | values
            process.stdin.write(json.dumps(words) + "\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield give
        process.stdin.close()


def holds(settings, md5):
    """Every object of a recorded version is whole in the remote."""
    return list(verify_remote([versions(settings)[md5]], settings, heal=False)) == []


@APART
@pytest.mark.parametrize("deployment", ["with data/", "without data/"])
def test_a_kill_at_any_change_of_a_file_while_adding_loses_nothing(tmp_path, monkeypatch, order, deployment, apart):
    start, rows = tmp_path / "start", write(tmp_path / "rows.jsonl", [row(2, "glad"), row(7)])
    new_data(start / "data")
    if deployment == "without data/":
        first = write(tmp_path / "first.jsonl", [row(6)])
        assert order(start, rows=str(first)) == 0
        shutil.rmtree(start / "data")
        (start / "data.dvc").unlink()
    point, ended = 0, -9
    while ended:
        root = shutil.copytree(start, tmp_path / str(point))
        use(monkeypatch, root)
        settings = read_settings()
        old, known = current(settings).md5, len(history(settings))
        ended = order(root, rows=str(rows), kill_at=point)
        assert ended in (0, -9)
        now = current(settings).md5
        if events := history(settings):
            assert holds(settings, old)
            assert holds(settings, now)
            assert events[-1].event == "changed" or now == old
        else:
            assert version_of(settings.data).md5 == now == old
        if settings.data.exists():
            dataset.verify()
        assert order(root, rows=str(rows)) == 0
        assert [e.event for e in history(settings)][known:] in (["adopted", "changed"], ["changed"])
        assert current(settings).md5 == history(settings)[-1].md5 != old
        assert holds(settings, current(settings).md5)
        if deployment == "with data/":
            dataset.verify()
            assert read(settings.data / TRAIN) == [row(0), row(1), row(2, "glad"), row(3), row(4), row(7)]
        shutil.rmtree(root)
        point += apart
    assert point > 20, "the hook killed at too few points to prove anything"


@APART
def test_a_kill_at_any_change_of_a_file_while_going_back_is_made_good(tmp_path, monkeypatch, order, apart):
    start = tmp_path / "start"
    new_data(start / "data")
    use(monkeypatch, start)
    old = current(read_settings()).md5
    assert order(start, rows=str(write(tmp_path / "rows.jsonl", [row(7)]))) == 0
    point, ended = 0, -9
    while ended:
        root = shutil.copytree(start, tmp_path / str(point))
        use(monkeypatch, root)
        settings = read_settings()
        ended = order(root, pin=old[:8], kill_at=point)
        assert ended in (0, -9)
        dataset.verify()
        assert order(root, pin=old[:8]) == 0
        dataset.verify()
        assert current(settings).md5 == old
        assert [e.event for e in history(settings)] == ["adopted", "changed", "pinned"]
        shutil.rmtree(root)
        point += apart
    assert point > 10


@pytest.fixture
def settings(tmp_path, monkeypatch):
    use(monkeypatch, tmp_path)
    new_data(tmp_path / "data", rows=20_000)
    return read_settings()


def test_two_that_add_at_once_and_a_training_all_get_theirs(tmp_path, settings):
    old, before = current(settings).md5, (settings.data / TRAIN).read_bytes()
    add_rows({TRAIN: write(tmp_path / "first.jsonl", [row(-1)])}, "refuse", Cause("first", "ada"), settings)
    commands = [
        [ADD, TRAIN, str(write(tmp_path / "a.jsonl", [row(f"a{n}") for n in range(500)]))],
        [ADD, TRAIN, str(write(tmp_path / "b.jsonl", [row(f"b{n}") for n in range(500)]))],
        [FETCH, old, str(tmp_path / "training")],
    ]
    processes = [subprocess.Popen([sys.executable, "-c", *command], cwd=ROOT) for command in commands]
    assert [process.wait(240) for process in processes] == [0, 0, 0]
    dataset.verify()
    assert len(read(settings.data / TRAIN)) == 20_000 + 1 + 500 + 500
    assert [e.files[TRAIN].rows for e in history(settings)] == [20_000, 20_001, 20_501, 21_001]
    assert (tmp_path / "training" / TRAIN).read_bytes() == before


def test_a_version_that_is_being_replaced_can_still_be_trained_on(tmp_path, settings):
    old = current(settings).md5
    add_rows({TRAIN: write(tmp_path / "a.jsonl", [row(1, "other")])}, "replace", Cause("a", "ada"), settings)
    out = tmp_path / "out"
    out.mkdir()
    dataset.dataset(SimpleNamespace(run=SimpleNamespace(dataset_md5=old), out=out, settings=settings))
    assert version_of(out).md5 == old
