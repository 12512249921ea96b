"""Killed anywhere, an ingest leaves the old version whole and is finished by the next; two at once both count."""

import json
import random
import shutil
import subprocess
import sys

import pytest

from pipelines import dataset, quarantine
from pipelines.batch import outcomes
from pipelines.data_version import version_of
from pipelines.settings import ROOT, read_settings
from pipelines.verify_remote import verify_remote
from pipelines.version_history import current, history, versions
from tests.dropped_files import TRAIN, drop, drop_all, example, recipe_in
from tests.versioned_data import read, use

pytestmark = pytest.mark.service

INGEST = """
import sys, pathlib
from pipelines.ingest import ingest
from pipelines.recipe_file import load_recipe
from pipelines.settings import read_settings
ingest(sys.argv[1], load_recipe(pathlib.Path(sys.argv[2])), read_settings(), say=lambda _: None)
"""
FETCH = """
import sys, pathlib, types
from pipelines import dataset, quarantine
from pipelines.settings import read_settings
out = pathlib.Path(sys.argv[2]); out.mkdir()
run = types.SimpleNamespace(dataset_md5=sys.argv[1])
dataset.dataset(types.SimpleNamespace(run=run, out=out, settings=read_settings()))
"""


@pytest.fixture(scope="module")
def order():
    """Give an order to tests/ingest_orders.py and return how its child ended."""
    command = [sys.executable, "-m", "tests.ingest_orders"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def give(root, kill_at=None):
            process.stdin.write(json.dumps({"root": str(root), "kill_at": kill_at}) + "\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield give
        process.stdin.close()


@pytest.fixture
def start(tmp_path, order):
    """A version of the data, and a second delivery of which one row must be set aside."""
    root = tmp_path / "start"
    recipe_in(root / "recipes")
    drop_all(root / "in")
    assert order(root) == 0
    rows = [example(f"later-{n}") for n in range(30)]
    rows[3] |= {"prompt": "Call me on +86 138 0013 8000 about the licence, or write to x.y@example.com"}
    drop(root / "in" / "train" / "later.jsonl", rows)
    return root


def holds(settings, md5):
    """Every object of a recorded version is whole in the remote."""
    return list(verify_remote([versions(settings)[md5]], settings, heal=False)) == []


@pytest.mark.parametrize("times", [4, pytest.param(12, marks=pytest.mark.thorough)])
def test_an_ingest_that_is_killed_again_and_again_ends_as_if_it_never_was(start, order, monkeypatch, times):
    whole = shutil.copytree(start, start.with_name("whole"))
    assert order(whole) == 0
    use(monkeypatch, whole)
    old, new = (event.md5 for event in history(read_settings())[-2:])
    changes = int(start.with_name("whole.changes").read_text())
    points, kills = random.Random(3), 0
    for number in range(times):
        root = shutil.copytree(start, start.with_name(str(number)))
        use(monkeypatch, root)
        settings = read_settings()
        # Most changes are small ones of taking and checking; those of adding and settling come last.
        for most in (changes, 60, 30):
            ended = order(root, points.randrange(max(0, changes - most), changes))
            now = current(settings).md5
            assert now in (old, new)
            assert holds(settings, now)
            assert holds(settings, old)
            if ended == 0:
                break
            assert ended == -9
            kills += 1
        assert order(root) == 0
        dataset.verify()
        assert current(settings).md5 == new
        assert [event.md5 for event in history(settings)[-2:]] == [old, new]
        (last,) = (o for o in outcomes("mine", settings) if o.md5 == new)
        assert (last.changes[TRAIN].added, last.result.quarantined) == (29, 1)
        assert [batch.rows for batch in quarantine.batches(settings)] == [1]
        assert new in root.with_name(f"{number}.announced").read_text()
        assert not list((settings.work / "ingest").glob("*"))
        shutil.rmtree(root)
    assert kills >= times


def test_two_ingests_at_once_and_a_training_all_get_theirs(start, monkeypatch, tmp_path):
    use(monkeypatch, start)
    settings = read_settings()
    old, before = current(settings).md5, (settings.data / TRAIN).read_bytes()
    other = drop(tmp_path / "elsewhere" / "train" / "b.jsonl", [example(f"b-{n}") for n in range(50)])
    recipe = str(start / "recipes" / "mine.toml")
    commands = [
        [INGEST, str(start / "in"), recipe],
        [INGEST, str(other.parent.parent), recipe],
        [FETCH, old, str(tmp_path / "training")],
    ]
    processes = [subprocess.Popen([sys.executable, "-c", *command], cwd=ROOT) for command in commands]
    assert [process.wait(240) for process in processes] == [0, 0, 0]
    dataset.verify()
    first, second = history(settings)[-2:]
    assert (first.parent, second.parent) == (old, first.md5)
    assert len(read(settings.data / TRAIN)) == 20 + 29 + 50
    assert (tmp_path / "training" / TRAIN).read_bytes() == before
    assert version_of(tmp_path / "training").md5 == old


def test_two_ingests_of_one_source_take_it_once(start, monkeypatch):
    use(monkeypatch, start)
    command = [sys.executable, "-c", INGEST, str(start / "in"), str(start / "recipes" / "mine.toml")]
    processes = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
    assert [process.wait(240) for process in processes] == [0, 0]
    settings = read_settings()
    assert len(read(settings.data / TRAIN)) == 20 + 29
    assert [event.event for event in history(settings)] == ["adopted", "changed", "changed"]
