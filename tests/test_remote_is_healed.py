"""Missing and damaged objects of the DVC remote are found by hashing, named with their versions, healed if possible."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import dataset, dvc_remote
from pipelines.add_rows import add_rows
from pipelines.data_version import version_of
from pipelines.dvc_objects import open_objects
from pipelines.errors import ScriptoriumError, TryAgain
from pipelines.settings import ROOT, read_settings
from pipelines.verify_remote import stored_versions, verify_remote
from pipelines.version_history import current, history
from pipelines.versions import Cause, pin, rows_of
from tests.s3_server import s3_server
from tests.versioned_data import TRAIN, new_data, row, use, write

WHY = Cause("the test adds", "ada")


class Local:
    """The embedded remote: a folder."""

    def spoil(self, path, change):
        Path(path).chmod(0o644)
        Path(path).write_bytes(change(Path(path).read_bytes()))

    def remove(self, path):
        Path(path).unlink()


class S3:
    """A bucket, changed as anybody would change it: through S3."""

    def __init__(self, client):
        self.client = client

    def spoil(self, path, change):
        place = dict(zip(("Bucket", "Key"), path.split("/", 1), strict=True))
        self.client.put_object(**place, Body=change(self.client.get_object(**place)["Body"].read()))

    def remove(self, path):
        bucket, key = path.split("/", 1)
        self.client.delete_object(Bucket=bucket, Key=key)


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.service)])
def remote(request, tmp_path, monkeypatch):
    """The DVC remote, and how to damage it."""
    use(monkeypatch, tmp_path)
    if request.param == "local":
        yield Local()
        return
    import boto3

    (tmp_path / "buckets" / "texts").mkdir(parents=True)
    with s3_server(tmp_path / "buckets") as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        settings = tmp_path / "repository" / ".dvc"
        settings.mkdir(parents=True)
        (settings / "config").write_text(
            "[core]\nremote = bucket\n['remote \"bucket\"']\nurl = s3://texts/dvc\n"
            f"endpointurl = {server.environment()['AWS_ENDPOINT_URL']}\n"
        )
        monkeypatch.setattr(dvc_remote, "ROOT", tmp_path / "repository")
        yield S3(boto3.session.Session(region_name="us-east-1").client("s3"))


@pytest.fixture
def two_versions(tmp_path, remote):
    """An old and a new version; data/ holds the new one."""
    new_data(tmp_path / "data")
    settings = read_settings()
    old = current(settings).md5
    new = add_rows({TRAIN: write(tmp_path / "a.jsonl", [row(7)])}, "refuse", WHY, settings).md5
    return settings, old, new


def found(settings, *, heal=False):
    return list(verify_remote(stored_versions(settings), settings, heal=heal))


def place(settings, md5):
    return open_objects(settings).path(md5)


def flip(text):
    """One bit of one byte in the middle."""
    middle = len(text) // 2
    return text[:middle] + bytes([text[middle] ^ 1]) + text[middle + 1 :]


def test_a_whole_remote_has_no_problem_and_dvc_reads_it(two_versions, tmp_path):
    settings, old, new = two_versions
    assert found(settings) == []
    for md5 in (old, new):
        out = tmp_path / md5
        out.mkdir()
        dvc_remote.fetch(md5, out, settings)
        assert version_of(out).md5 == md5


def test_one_flipped_byte_is_found_named_and_healed(two_versions, remote):
    settings, _, new = two_versions
    md5 = current(settings).files[TRAIN]
    remote.spoil(place(settings, md5), flip)
    (problem,) = found(settings)
    assert (problem.state, problem.file, problem.versions, problem.source) == ("damaged", TRAIN, (new,), None)
    assert problem.object == place(settings, md5)
    (healed,) = found(settings, heal=True)
    assert healed.source == str(settings.data / TRAIN)
    assert found(settings) == []
    assert len(list(rows_of(new, TRAIN, settings))) == 6


def test_a_missing_file_and_a_damaged_list_of_files_are_healed(two_versions, remote):
    settings, old, new = two_versions
    shared = current(settings).files["corpus/domain.jsonl"]
    remote.remove(place(settings, shared))
    remote.spoil(place(settings, old), lambda _: b"[]")
    problems = {problem.file: problem for problem in found(settings)}
    assert problems["corpus/domain.jsonl"].state == "missing"
    assert set(problems["corpus/domain.jsonl"].versions) == {old, new}
    assert problems["the list of files"].versions == (old,)
    assert all(problem.source for problem in found(settings, heal=True))
    assert found(settings) == []


def test_a_file_that_no_folder_holds_is_healed_from_what_a_training_got(two_versions, remote, tmp_path):
    settings, old, _ = two_versions
    copy = tmp_path / "home" / "artifacts" / "dataset" / "a-key"
    copy.mkdir(parents=True)
    dvc_remote.fetch(old, copy, settings)
    remote.remove(place(settings, history(settings)[0].files[TRAIN].md5))
    (healed,) = found(settings, heal=True)
    assert healed.source == str(copy / TRAIN)
    assert found(settings) == []


def test_what_nobody_holds_is_named_with_its_cure_and_left(two_versions, remote):
    settings, old, _ = two_versions
    lost = history(settings)[0].files[TRAIN].md5
    remote.spoil(place(settings, lost), flip)
    (problem,) = found(settings, heal=True)
    assert (problem.source, problem.versions) == (None, (old,))
    assert f"put the file of md5 {lost} at {settings.data / TRAIN}" in problem.cure
    with pytest.raises(ScriptoriumError, match=r"holds a damaged copy of tasks/mood/train\.jsonl.*--heal"):
        pin(old, WHY, settings)
    assert current(settings).md5 != old
    with pytest.raises(ScriptoriumError, match=r"damaged; `scriptorium data verify --remote --heal`"):
        list(rows_of(old, TRAIN, settings))


def test_a_change_notices_damage_in_what_it_does_not_change(two_versions, remote, tmp_path, capsys):
    settings, _, _ = two_versions
    md5 = current(settings).files["corpus/domain.jsonl"]
    remote.spoil(place(settings, md5), flip)
    rows = write(tmp_path / "b.jsonl", [row(8)])
    add_rows({TRAIN: rows}, "refuse", WHY, settings)
    assert "holds a damaged copy of corpus/domain.jsonl; stored again" in capsys.readouterr().out
    assert found(settings) == []
    remote.spoil(place(settings, md5), flip)
    shutil.rmtree(settings.data)
    before = current(settings).md5
    with pytest.raises(ScriptoriumError, match=r"damaged copy of corpus/domain\.jsonl"):
        add_rows({TRAIN: write(tmp_path / "c.jsonl", [row(9)])}, "refuse", WHY, settings)
    assert current(settings).md5 == before


def test_a_version_that_only_a_training_stored_is_looked_at_too(tmp_path, remote, capsys):
    new_data(tmp_path / "data")
    settings = read_settings()
    md5 = current(settings).md5
    assert stored_versions(settings) == []
    assert f"{md5} is not in the DVC remote yet" in capsys.readouterr().out
    dvc_remote.store(settings.data, md5, settings)
    remote.spoil(place(settings, current(settings).files[TRAIN]), flip)
    (healed,) = found(settings, heal=True)
    assert (healed.file, healed.source) == (TRAIN, str(settings.data / TRAIN))
    assert found(settings) == []


@pytest.mark.slow
def test_the_command_exits_10_until_all_is_healed(tmp_path, monkeypatch):
    use(monkeypatch, tmp_path)
    new_data(tmp_path / "data")
    dataset.commit_data()
    settings = read_settings()
    Local().spoil(place(settings, current(settings).files[TRAIN]), flip)
    said = scriptorium("--json", code=10)
    problem = json.loads(said.stdout)["problems"][0]
    assert (problem["file"], problem["state"]) == (TRAIN, "damaged")
    assert "1 of the objects in the DVC remote are missing or damaged" in said.stderr
    assert "damaged: tasks/mood/train.jsonl" in scriptorium("--version", current(settings).md5[:8], code=10).stdout
    assert "1 wrong, 1 of them healed" in scriptorium("--heal").stdout
    assert "0 wrong" in scriptorium().stdout


def test_a_bucket_that_does_not_answer_is_no_damage(tmp_path, monkeypatch, free_port):
    use(monkeypatch, tmp_path)
    new_data(tmp_path / "data")
    folder = tmp_path / "repository" / ".dvc"
    folder.mkdir(parents=True)
    (folder / "config").write_text(
        "[core]\nremote = bucket\n['remote \"bucket\"']\nurl = s3://texts/dvc\n"
        f"endpointurl = http://127.0.0.1:{free_port()}\naccess_key_id = a\nsecret_access_key = b\n"
    )
    monkeypatch.setattr(dvc_remote, "ROOT", tmp_path / "repository")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(TryAgain, match="the DVC remote s3://texts/dvc does not answer"):
        found(read_settings())


def scriptorium(*arguments, code=0):
    command = [sys.executable, "-m", "pipelines.cli", "data", "verify", "--remote", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done
