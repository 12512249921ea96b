"""data/ is what data.dvc names, byte by byte; every stored version comes back, and damage is named."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipelines import dataset
from pipelines.data_version import read_version, version_of, write_version
from pipelines.errors import Refused, ScriptoriumError
from pipelines.settings import ROOT, read_settings

FETCH = """
import sys, pathlib, types
from pipelines import dataset
from pipelines.settings import read_settings
out = pathlib.Path(sys.argv[2]); out.mkdir()
run = types.SimpleNamespace(dataset_md5=sys.argv[1])
dataset.dataset(types.SimpleNamespace(run=run, out=out, settings=read_settings()))
"""


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A small recorded data folder of its own."""
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SCRIPTORIUM_DATA", str(tmp_path / "data"))
    folder = tmp_path / "data"
    (folder / "tasks").mkdir(parents=True)
    (folder / "a.jsonl").write_text("one\n")
    (folder / "tasks" / "test.jsonl").write_text("two\n")
    (folder / "build.json").write_text("{}\n")
    write_version(version_of(folder), folder, tmp_path / "data.dvc")
    return folder


@pytest.fixture
def fetched(tmp_path):
    """Run the step for a version and return the folder it made."""

    def fetch(md5):
        out = tmp_path / "out"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        run = SimpleNamespace(dataset_md5=md5)
        dataset.dataset(SimpleNamespace(run=run, out=out, settings=read_settings()))
        return out

    return fetch


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}


def object_of(settings, md5):
    return settings.home / "dvc-remote" / "files" / "md5" / md5[:2] / md5[2:]


def test_data_as_recorded_are_accepted(data):
    dataset.verify()


def test_a_changed_byte_is_refused_by_name(data):
    (data / "tasks" / "test.jsonl").write_text("twp\n")
    with pytest.raises(Refused, match=r"tasks/test\.jsonl is changed.*scriptorium data build"):
        dataset.verify()


def test_a_missing_file_is_refused_by_name(data):
    (data / "a.jsonl").unlink()
    with pytest.raises(Refused, match=r"a\.jsonl is missing.*scriptorium data build"):
        dataset.verify()


def test_a_surplus_file_is_refused_by_name(data):
    (data / "notes.txt").write_text("")
    with pytest.raises(Refused, match=r"notes\.txt does not belong there"):
        dataset.verify()


def test_a_missing_folder_is_refused_with_its_cure(data):
    shutil.rmtree(data)
    with pytest.raises(Refused, match=r"data is missing; `scriptorium data build`"):
        dataset.verify()


@pytest.mark.parametrize("text", ["", "outs: [", "outs: []", "outs:\n- md5: abc\n  size: 1\n", "a: \x00"])
def test_a_damaged_version_file_is_refused(data, text):
    data.with_name("data.dvc").write_text(text)
    with pytest.raises(Refused, match=r"data\.dvc"):
        dataset.current_md5()


def test_a_build_with_another_result_leaves_the_data_as_they_were(data, monkeypatch):
    (data / "a.jsonl").write_text("spoilt\n")
    before = contents(data)
    monkeypatch.setattr("pipelines.example_data.build_example", lambda folder: (folder / "build.json").write_text("x"))
    with pytest.raises(Refused, match=r"a\.jsonl is missing; install the pinned packages"):
        dataset.build()
    assert contents(data) == before


def test_a_build_puts_damaged_data_right(data, monkeypatch):
    wanted = contents(data)
    copy = shutil.copytree(data, data.with_name("copy"))
    monkeypatch.setattr("pipelines.example_data.build_example", lambda f: shutil.copytree(copy, f, dirs_exist_ok=True))
    (data / "a.jsonl").write_text("spoilt\n")
    dataset.build()
    assert contents(data) == wanted


def test_a_build_for_the_record_becomes_the_new_version(data, monkeypatch):
    monkeypatch.setattr("pipelines.example_data.build_example", lambda folder: (folder / "build.json").write_text("x"))
    before = dataset.current_md5()
    dataset.build(record=True)
    dataset.verify()
    assert dataset.current_md5() != before


def test_a_build_does_not_replace_a_folder_it_did_not_make(data):
    (data / "build.json").unlink()
    with pytest.raises(Refused, match="was not built by this command"):
        dataset.build()
    assert "a.jsonl" in contents(data)


def test_a_data_folder_elsewhere_starts_with_the_version_of_the_repository(data, monkeypatch):
    data.with_name("data.dvc").unlink()
    shutil.rmtree(data)
    monkeypatch.setattr("pipelines.example_data.build_example", lambda folder: (folder / "build.json").write_text("x"))
    with pytest.raises(Refused, match=read_version(ROOT / "data.dvc").md5):
        dataset.build()
    assert not data.exists()


@pytest.mark.service
def test_dvc_itself_agrees_with_our_hash(data, tmp_path):
    version = read_version(tmp_path / "data.dvc")
    subprocess.run(["dvc", "init", "--no-scm", "-q"], cwd=tmp_path, check=True, env=dvc_environment())
    subprocess.run(["dvc", "add", "-q", "data"], cwd=tmp_path, check=True, env=dvc_environment())
    assert read_version(tmp_path / "data.dvc") == version


@pytest.mark.service
def test_an_older_version_comes_back_by_its_md5(data, fetched):
    old, wanted = dataset.commit_data(), contents(data)
    (data / "a.jsonl").write_text("newer\n")
    new = dataset.commit_data()
    assert new == dataset.current_md5() != old
    assert contents(fetched(old)) == wanted
    assert contents(fetched(new)) == contents(data)


@pytest.mark.service
def test_a_version_that_only_the_data_folder_holds_is_stored_first(data, fetched, capsys):
    assert contents(fetched(dataset.current_md5())) == contents(data)
    assert "storing" in capsys.readouterr().out
    shutil.rmtree(data)
    assert set(contents(fetched(dataset.current_md5()))) == {"a.jsonl", "build.json", "tasks/test.jsonl"}


@pytest.mark.service
def test_a_version_that_nobody_holds_is_refused_with_what_differs(data, fetched):
    (data / "a.jsonl").write_text("other\n")
    with pytest.raises(Refused, match=r"not in the DVC remote.*a\.jsonl is changed.*scriptorium data build"):
        fetched(dataset.current_md5())


@pytest.mark.service
def test_a_damaged_object_in_the_remote_is_refused_by_name(data, fetched):
    md5 = dataset.commit_data()
    damaged = object_of(read_settings(), version_of(data).files["a.jsonl"])
    damaged.chmod(0o644)
    damaged.write_text("onf\n")
    with pytest.raises(Refused, match=r"a\.jsonl is changed.*is damaged: `scriptorium data verify --remote --heal`"):
        fetched(md5)


@pytest.mark.service
def test_a_damaged_listing_in_the_remote_is_refused_by_name(data, fetched):
    md5 = dataset.commit_data()
    damaged = object_of(read_settings(), md5)
    damaged.chmod(0o644)
    damaged.write_text("[]")
    with pytest.raises(ScriptoriumError, match=r"list of version .* is damaged.*--heal"):
        fetched(md5)


@pytest.mark.service
def test_an_object_missing_from_the_remote_is_stored_again(data, fetched):
    md5 = dataset.commit_data()
    object_of(read_settings(), version_of(data).files["a.jsonl"]).unlink()
    assert contents(fetched(md5)) == contents(data)


@pytest.mark.service
def test_two_processes_at_once_both_get_the_data(data, tmp_path):
    md5 = dataset.current_md5()
    command = [sys.executable, "-c", FETCH, md5]
    both = [subprocess.Popen([*command, str(tmp_path / name)], cwd=ROOT) for name in ("one", "two")]
    assert [process.wait(120) for process in both] == [0, 0]
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == contents(data)


@pytest.mark.service
def test_a_push_that_was_killed_is_done_again(data, tmp_path, fetched):
    for number in range(40):
        (data / f"{number}.jsonl").write_text(f"{number}" * 500_000)
    md5 = version_of(data).md5
    write_version(version_of(data), data, data.with_name("data.dvc"))
    process = subprocess.Popen([sys.executable, "-c", FETCH, md5, str(tmp_path / "killed")], cwd=ROOT)
    objects = tmp_path / "home" / "dvc-remote" / "files" / "md5"
    while process.poll() is None and not list(objects.glob("*/*")):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not object_of(read_settings(), md5).exists()
    assert contents(fetched(md5)) == contents(data)


def dvc_environment():
    return os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}
