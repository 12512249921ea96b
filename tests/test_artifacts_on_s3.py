"""With the artifact root in S3 any machine finds what another made, proves every byte of it, makes nothing twice."""

import json
import os
import signal
import subprocess
import sys

import pytest

from pipelines import mirror, steps, storage
from pipelines.artifact import NotWhole
from pipelines.errors import Refused
from pipelines.recipe_file import parse_recipe
from pipelines.run import freeze, new_run, read_run
from pipelines.settings import ROOT
from tests.machines import BUCKET, Machines

pytestmark = pytest.mark.service

SMALL = {
    "name": "checker",
    "description": "d",
    "task": "pair_classification",
    "data": {"corpus": "c", "examples": "e", "replay": {"corpus": "g"}},
    "base": {"model": "hf://org/name"},
    "pretrain": {"objective": "masked", "tokens": 10},
    "review": {"reviewers": ["reviewer"]},
}
FILES = {f"model/{number}.bin": bytes([number]) * 100_000 for number in range(3)}


def write_files(work):
    for name, content in FILES.items():
        (work.out / name).parent.mkdir(exist_ok=True)
        (work.out / name).write_bytes(content)
    # As timings do, it differs from one making to the next.
    (work.out / "timings.json").write_text(json.dumps(os.urandom(8).hex()))


@pytest.fixture
def made(monkeypatch):
    """A step of this file, and on which machine it ran."""
    places = []

    def function(work):
        places.append(work.settings.home.name)
        write_files(work)

    monkeypatch.setattr("pipelines.dataset.dataset", function)
    return places


def small_run(settings):
    return freeze(new_run(parse_recipe(SMALL, "test"), "r1", "abc.dir", "engineer"), settings)


def content(uri):
    folder = mirror.here(uri)
    return {name: (folder / name).read_bytes() for name in FILES}


def test_a_second_machine_reuses_what_the_first_made(machines, made, capsys):
    run = small_run(machines.be("one"))
    uri = steps.make("dataset", run, {})
    assert uri.startswith(f"s3://{BUCKET}/{machines.prefix}/dataset/")
    capsys.readouterr()
    two = machines.be("two")
    assert steps.make("dataset", run, {}) == uri
    assert f"dataset: reused {uri}" in capsys.readouterr().out
    assert made == ["one"]
    assert content(uri) == FILES
    assert read_run(run).requested_by == "engineer"
    assert small_run(two) == run
    other = new_run(parse_recipe(SMALL | {"seed": 9}, "test"), "r1", "abc.dir", "engineer")
    with pytest.raises(Refused, match="frozen with other settings"):
        freeze(other, two)


def test_a_small_file_is_read_and_proved_without_the_others(machines, made):
    uri = steps.make("dataset", small_run(machines.be("one")), {})
    two = machines.be("two")
    assert mirror.file_of(uri, "model/0.bin") == FILES["model/0.bin"]
    assert mirror.file_of(uri, "curve.jsonl") is None
    assert not list(two.home.rglob("2.bin"))
    changed(machines, next(name for name in machines.stored("dataset") if name.endswith("model/1.bin")))
    with pytest.raises(NotWhole, match=r"model/1\.bin is not the file its manifest names; run the step"):
        mirror.file_of(uri, "model/1.bin")


def upload_killed_at(run, number):
    """Make the step's output, and die at the upload's object of this number."""
    put, count = storage.put, iter(range(99))

    def dying(*arguments):
        if next(count) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return put(*arguments)

    steps.importlib.import_module("pipelines.dataset").dataset = write_files
    storage.put = dying
    steps.make("dataset", run, {})


@pytest.mark.parametrize("number", [0, 2, len(FILES) + 1])
def test_an_upload_that_was_killed_does_not_count_and_the_next_try_finishes_it(machines, made, number):
    run = small_run(machines.be("one"))
    in_a_child(upload_killed_at, run, number)
    assert not [name for name in machines.stored("dataset") if name.endswith("manifest.json")]
    assert len(machines.stored("dataset")) < len(FILES) + 2
    uri = steps.make("dataset", run, {})
    assert len(machines.stored("dataset")) == len(FILES) + 2
    machines.be("two")
    assert steps.make("dataset", run, {}) == uri
    assert made == []
    assert content(uri) == FILES


def fetch_killed_at_its_end(run):
    """Bring the step's output, and die when all has arrived and nothing is in place."""
    mirror.publish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    steps.make("dataset", run, {})


def in_a_child(function, *arguments):
    code = f"from tests.test_artifacts_on_s3 import {function.__name__} as go; go(*{arguments!r})"
    child = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True)
    assert child.returncode == -signal.SIGKILL, child.stderr


def test_a_fetch_that_was_killed_does_not_count_and_goes_on_where_it_was(machines, made, capsys):
    run = small_run(machines.be("one"))
    uri = steps.make("dataset", run, {})
    machines.be("two")
    read_run(run)
    in_a_child(fetch_killed_at_its_end, run)
    assert not list((machines.folder / "two" / "mirror").rglob("dataset/*"))
    capsys.readouterr()
    assert steps.make("dataset", run, {}) == uri
    assert "fetching 0 files (0.0 MB)" in capsys.readouterr().err
    assert (content(uri), made) == (FILES, ["one"])


def test_what_another_machine_put_there_only_in_part_is_made(machines, made):
    run = small_run(machines.be("one"))
    uri = steps.make("dataset", run, {})
    machines.remove(f"{uri.removeprefix(f's3://{BUCKET}/{machines.prefix}/')}/manifest.json")
    machines.be("two")
    assert steps.make("dataset", run, {}) == uri
    assert made == ["one", "two"]


def changed(machines, name):
    old = machines.stored(name)[name]
    machines.put(name, old[:-1] + bytes([old[-1] ^ 1]))


@pytest.mark.parametrize(("harm", "said"), [(changed, "sha256 differs"), (Machines.remove, "is missing")])
def test_a_changed_or_missing_object_is_named_and_what_it_belongs_to_made_again(machines, made, capsys, harm, said):
    run = small_run(machines.be("one"))
    uri = steps.make("dataset", run, {})
    name = next(name for name in machines.stored("dataset") if name.endswith("model/1.bin"))
    good = machines.stored(name)
    harm(machines, name)
    machines.be("two")
    with pytest.raises(NotWhole, match=rf"{uri}/model/1\.bin.*{said}"):
        mirror.here(uri)
    steps.make("dataset", run, {})
    assert f"{uri}/model/1.bin" in capsys.readouterr().err
    assert made == ["one", "two"]
    assert machines.stored(name) == good
    machines.be("three")
    steps.make("dataset", run, {})
    assert made == ["one", "two"]
    assert content(uri) == FILES


@pytest.mark.parametrize("harm", [changed, Machines.remove])
def test_what_the_store_lost_is_put_there_again_by_who_has_it_whole(machines, made, capsys, harm):
    run = small_run(machines.be("one"))
    uri = steps.make("dataset", run, {})
    before = machines.stored("dataset")
    harm(machines, next(name for name in before if name.endswith("model/2.bin")))
    assert steps.make("dataset", run, {}) == uri
    assert f"{uri}/model/2.bin in the store is not what was made" in capsys.readouterr().out
    assert (machines.stored("dataset"), made) == (before, ["one"])


def test_a_damaged_copy_on_this_machine_is_fetched_again(machines, made):
    run = small_run(machines.be("one"))
    uri = steps.make("dataset", run, {})
    (mirror.here(uri) / "model" / "0.bin").write_bytes(b"damaged")
    steps.make("dataset", run, {})
    assert (content(uri), made) == (FILES, ["one"])


def test_a_manifest_that_leads_out_of_its_folder_is_refused(machines, made, tmp_path):
    run = small_run(machines.be("one"))
    uri = steps.make("dataset", run, {})
    name = next(name for name in machines.stored("dataset") if name.endswith("/manifest.json"))
    machines.put(name, machines.stored(name)[name].replace(b'"model/0.bin"', b'"../../../0.bin"'))
    machines.be("two")
    with pytest.raises(NotWhole, match="leads out of its folder"):
        mirror.here(uri)
