"""What grows at an artifact root in S3 grows there first: no machine loses a line, and a lost one is missed aloud."""

import json
import os
import shutil
from functools import partial

import pytest
from moto.server import ThreadedMotoServer

from pipelines import dvc_remote, growing, ledger, quarantine, s3, steps, version_history
from pipelines.add_rows import add_rows
from pipelines.announce import announced
from pipelines.batch import outcomes, uri_of
from pipelines.dvc_objects import open_objects
from pipelines.errors import Refused, ScriptoriumError, TryAgain
from pipelines.ingest import ingest
from pipelines.outputs import QUARANTINED
from pipelines.remains import remains
from pipelines.run import freeze, new_run
from pipelines.verify_remote import stored_versions, verify_remote
from pipelines.version_history import current, history
from pipelines.versions import Cause, rows_of
from tests import versioned_data
from tests.dropped_files import TRAIN, drop, drop_all, example, recipe_in
from tests.machines import BUCKET
from tests.versioned_data import TRAIN as MOOD
from tests.versioned_data import new_data, row, write

pytestmark = pytest.mark.service


@pytest.fixture
def conditional(monkeypatch):
    """Another S3 server, one that heeds If-Match and If-None-Match as AWS does."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    s3.client().create_bucket(Bucket=BUCKET)
    yield
    server.stop()


def decide(settings, event, dossier):
    ledger.append(ledger.ledger_path("checker", settings), event, dossier, {})


def decided(settings):
    path = ledger.ledger_path("checker", settings)
    ledger.verify(path)
    return [(entry.event, entry.dossier) for entry in ledger.read(path)]


def test_machines_add_to_one_ledger_and_all_read_it_whole(machines):
    decide(machines.be("one"), "approved", "a")
    decide(machines.be("two"), "promoted", "a")
    decide(machines.be("one"), "rejected", "b")
    wanted = [("approved", "a"), ("promoted", "a"), ("rejected", "b")]
    for name in ("one", "two", "three"):
        assert decided(machines.be(name)) == wanted
    decide(machines.be("three"), "approved", "a")
    assert decided(machines.be("one")) == wanted


@pytest.mark.parametrize(
    "harm", [lambda old: b"".join(old.splitlines(keepends=True)[:1]), lambda old: old.replace(b'"a"', b'"x"'), None]
)
def test_a_ledger_that_lost_what_a_machine_has_seen_is_refused(machines, harm):
    settings = machines.be("one")
    decide(settings, "approved", "a")
    decide(settings, "promoted", "a")
    name = "ledger/checker.jsonl"
    if harm:
        machines.put(name, harm(machines.stored(name)[name]))
    else:
        machines.remove(name)
    with pytest.raises(ScriptoriumError, match=rf"{name} is not what this machine has seen.*restore it"):
        decided(settings)
    with pytest.raises(ScriptoriumError, match="restore it"):
        decide(settings, "rejected", "b")


def test_a_ledger_that_was_edited_in_the_store_is_broken_for_a_machine_that_never_saw_it(machines):
    decide(machines.be("one"), "approved", "a")
    name = "ledger/checker.jsonl"
    machines.put(name, machines.stored(name)[name].replace(b'"a"', b'"x"'))
    with pytest.raises(ScriptoriumError, match=rf"s3://{BUCKET}/.*{name}, line 1: the chain is broken"):
        decided(machines.be("two"))


def meanwhile(machines, monkeypatch, name):
    """While a machine is about to write, another adds a line."""
    swap = s3.swap

    def late(*arguments):
        monkeypatch.setattr(s3, "swap", swap)
        decide(machines.be("two"), "rejected", "b")
        machines.be(name)
        return swap(*arguments)

    monkeypatch.setattr(s3, "swap", late)


def test_of_two_machines_that_add_at_the_same_moment_one_is_told_to_try_again(machines, conditional, monkeypatch):
    settings = machines.be("one")
    assert growing.heeds_conditions(settings.store)
    decide(settings, "approved", "a")
    meanwhile(machines, monkeypatch, "one")
    with pytest.raises(TryAgain, match="another machine has added"):
        decide(settings, "promoted", "a")
    assert decided(settings) == [("approved", "a"), ("rejected", "b")]
    decide(settings, "promoted", "a")
    assert decided(machines.be("two"))[2:] == [("promoted", "a")]


def test_a_line_overwritten_in_a_store_that_ignores_conditions_is_missed_by_who_wrote_it(machines, monkeypatch):
    settings = machines.be("one")
    assert not growing.heeds_conditions(settings.store)
    decide(settings, "approved", "a")
    meanwhile(machines, monkeypatch, "one")
    decide(settings, "promoted", "a")
    with pytest.raises(ScriptoriumError, match="is not what this machine has seen"):
        decided(machines.be("two"))


@pytest.fixture
def workers(machines, tmp_path, monkeypatch):
    """Machines with data folders of their own, and one DVC remote in the store."""
    repository = tmp_path / "repository" / ".dvc"
    repository.mkdir(parents=True)
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    (repository / "config").write_text(
        "[core]\nremote = bucket\n['remote \"bucket\"']\n"
        f"url = s3://{BUCKET}/{machines.prefix}-dvc\nendpointurl = {endpoint}\n"
    )
    monkeypatch.setattr(dvc_remote, "ROOT", tmp_path / "repository")

    def be(name):
        monkeypatch.setenv("SCRIPTORIUM_DATA", str(tmp_path / f"{name}-data"))
        return machines.be(name)

    return be


def test_rows_that_came_on_two_machines_are_in_one_version(workers, tmp_path):
    recipe, quiet = recipe_in(tmp_path / "recipes"), partial(ingest, say=lambda _: None)
    one = workers("one")
    first = quiet(str(drop_all(tmp_path / "in")), recipe, one)
    two = workers("two")
    assert current(two).md5 == first.md5
    assert [(found.id, found.report) for found in outcomes("mine", two)] == [(first.id, first.report)]
    assert quiet(str(tmp_path / "in"), recipe, two) is None
    drop(tmp_path / "more" / "train" / "more.jsonl", [example("more")])
    second = quiet(str(tmp_path / "more"), recipe, two)
    assert second.changes[TRAIN].added == 1
    one = workers("one")
    assert current(one).md5 == second.md5
    assert [event.md5 for event in history(one)][-2:] == [first.md5, second.md5]
    assert [row["id"] for row in rows_of(second.md5, TRAIN, one)][-1] == "more"
    assert announced(uri_of(second, one))["md5"] == second.md5
    told = {found.id: found.announced for found in outcomes("mine", workers("two"))}
    assert told == {first.id: True, second.id: True}, "who trains on the second has the rows of the first"


def add(settings, number):
    rows = write(settings.home / "accepted.jsonl", [row(number, f"it is {number}")])
    return add_rows({MOOD: rows}, "refuse", Cause("the test adds", "ada"), settings)


def test_of_two_machines_that_change_the_data_at_once_one_is_told_and_neither_loses_rows(workers, monkeypatch):
    one = workers("one")
    new_data(one.data)
    shutil.copytree(one.data, workers("two").data)
    shutil.copy(version_history.version_file(one), version_history.version_file(workers("two")))
    one = workers("one")
    add(one, 7)
    share = version_history.share

    def late(*arguments):
        monkeypatch.setattr(version_history, "share", share)
        add(workers("two"), 8)
        workers("one")
        return share(*arguments)

    monkeypatch.setattr(version_history, "share", late)
    before = versioned_data.read(one.data / MOOD)
    with pytest.raises(TryAgain, match="another machine made version"):
        add(one, 9)
    assert versioned_data.read(one.data / MOOD) == before
    both = add(one, 9)
    assert {"row-7", "row-8", "row-9"} <= {row["id"] for row in rows_of(both.md5, MOOD, workers("two"))}
    assert [row["id"] for row in versioned_data.read(one.data / MOOD)][-1] == "row-9"


def test_rows_set_aside_on_one_machine_are_decided_about_on_another(machines, tmp_path):
    checked = tmp_path / "checked"
    checked.mkdir()
    aside = {"file": "a.jsonl", "line": 3, "checks": ["personal_data"], "row": {"text": "somebody"}}
    (checked / QUARANTINED).write_text(json.dumps(aside) + "\n")
    batch = quarantine.Batch(batch="b1", source="s", recipe="r", target=TRAIN, md5=None, verdict="quarantine")
    quarantine.keep(checked, batch, machines.be("one"))
    two = machines.be("two")
    (found,) = quarantine.batches(two)
    assert [row.row for row in quarantine.rows_of(found, two)] == [aside["row"]]
    path = quarantine.folder(two) / "b1" / QUARANTINED
    assert path.stat().st_mode & 0o077 == path.parent.stat().st_mode & 0o077 == 0
    assert any(place.endswith(f"/{machines.prefix}/quarantine") for place in remains((), {}, machines.be("three")))
    (checked / QUARANTINED).write_text("{}\n")
    with pytest.raises(Refused, match="other rows"):
        quarantine.keep(checked, batch, machines.be("four"))


def test_a_damaged_remote_is_healed_from_what_another_machine_trained_on(workers, tmp_path):
    one = workers("one")
    new_data(one.data)
    version = add(one, 7)
    run = new_run(recipe_in(tmp_path / "recipes"), "r1", version.md5, "ada")
    steps.make("dataset", freeze(run, one), {})
    two = workers("two")
    objects, md5 = open_objects(two), version.files[MOOD].md5
    bucket, _, key = objects.path(md5).removeprefix("s3://").partition("/")
    s3.client().put_object(Bucket=bucket, Key=key, Body=b"damaged")
    (problem,) = verify_remote(stored_versions(two), two, heal=True)
    assert problem.source.startswith(f"{two.artifacts}/dataset/")
    assert objects.found_md5(md5) == md5
