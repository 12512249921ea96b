"""In a git clone data.dvc says which version counts, and is committed when asked; without git the history says it."""

import shutil
import subprocess

import pytest

from pipelines import dataset
from pipelines.add_rows import add_rows
from pipelines.errors import Refused, ScriptoriumError
from pipelines.settings import read_settings
from pipelines.version_history import current, history, version_file
from pipelines.versions import Cause, rows_of
from tests.versioned_data import TRAIN, new_data, read, row, use, write

WHY = Cause("the test adds", "ada")


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


@pytest.fixture
def git(settings):
    def run(*words):
        command = ["git", "-C", str(settings.data.parent), "-c", "user.name=a", "-c", "user.email=a@b", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    run("init", "-q")
    run("config", "user.name", "ada")
    run("config", "user.email", "ada@example.com")
    (settings.data.parent / ".gitignore").write_text("data/\nhome/\n")
    (settings.data.parent / "other.txt").write_text("mine\n")
    run("add", ".")
    run("commit", "-qm", "start")
    return run


def test_only_data_dvc_is_committed_with_what_changed(settings, add, git):
    (settings.data.parent / "other.txt").write_text("half-done\n")
    git("add", "other.txt")
    record = add(row(7), commit=True)
    assert git("show", "--name-only", "--format=%s%n%b", "HEAD").split("\n")[:3] == [
        f"Data {record.md5[:12]}: the test adds",
        f"{TRAIN}: 1 added, 0 replaced, 0 removed",
        "",
    ]
    assert git("show", "--name-only", "--format=", "HEAD").strip() == "data.dvc"
    assert git("diff", "--cached", "--name-only").strip() == "other.txt"


def test_without_being_asked_nothing_is_committed(settings, add, git):
    add(row(7))
    assert git("log", "--format=%s").strip() == "start"
    assert git("diff", "--name-only").strip() == "data.dvc"


def test_a_checkout_of_data_dvc_decides_which_version_counts(settings, add, git):
    old = current(settings).md5
    add(row(7))
    git("checkout", "-q", "data.dvc")
    assert dataset.current_md5() == old
    record = add(row(8))
    assert record.parent == old
    assert [r["id"] for r in read(settings.data / TRAIN)][-2:] == ["row-4", "row-8"]


def test_a_commit_that_git_refuses_is_said_and_the_version_stays(settings, add, git):
    hook = settings.data.parent / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\necho no commits today >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(ScriptoriumError, match=r"is current, but git did not commit.*no commits today"):
        add(row(7), commit=True)
    assert read(settings.data / TRAIN)[-1] == row(7)
    hook.unlink()
    assert add(row(8)).event == "changed"


def test_a_deployment_without_data_dvc_goes_on_from_the_history(settings, add):
    first = add(row(7))
    version_file(settings).unlink()
    shutil.rmtree(settings.data)
    assert dataset.current_md5() == first.md5
    second = add(row(8))
    assert second.parent == first.md5
    assert not settings.data.exists()
    assert [r["id"] for r in rows_of(second.md5, TRAIN, settings)][-2:] == ["row-7", "row-8"]


def test_without_git_an_older_data_dvc_does_not_turn_back_the_history(settings, add):
    before = version_file(settings).read_bytes()
    record = add(row(7))
    version_file(settings).write_bytes(before)
    assert dataset.current_md5() == record.md5


def test_a_commit_where_there_is_no_git_is_refused_before_anything_happens(settings, add):
    with pytest.raises(Refused, match="git does not track"):
        add(row(7), commit=True)
    assert history(settings) == []
