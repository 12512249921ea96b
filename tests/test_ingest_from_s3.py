"""From a bucket into versions that a bucket keeps: a real S3 server at both ends, and nothing but S3 in between."""

import io
import json
import zipfile

import pytest

from pipelines import dvc_remote
from pipelines.ingest import ingest
from pipelines.settings import read_settings
from pipelines.verify_remote import stored_versions, verify_remote
from pipelines.version_history import current, history
from pipelines.versions import rows_of
from tests.dropped_files import CORPUS, TRAIN, drop_all, example, recipe_in
from tests.s3_server import s3_server
from tests.versioned_data import use

pytestmark = pytest.mark.service


@pytest.fixture
def s3(tmp_path, monkeypatch):
    """A client of a server with two buckets: `drops`, and `texts` for the DVC remote."""
    import boto3

    use(monkeypatch, tmp_path)
    for bucket in ("drops", "texts"):
        (tmp_path / "buckets" / bucket).mkdir(parents=True)
    with s3_server(tmp_path / "buckets") as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        repository = tmp_path / "repository" / ".dvc"
        repository.mkdir(parents=True)
        (repository / "config").write_text(
            "[core]\nremote = bucket\n['remote \"bucket\"']\nurl = s3://texts/dvc\n"
            f"endpointurl = {server.environment()['AWS_ENDPOINT_URL']}\n"
        )
        monkeypatch.setattr(dvc_remote, "ROOT", tmp_path / "repository")
        yield boto3.session.Session(region_name="us-east-1").client("s3")


def test_a_bucket_becomes_versions_in_a_bucket(s3, tmp_path):
    settings, recipe = read_settings(), recipe_in(tmp_path / "recipes")
    for path in sorted(drop_all(tmp_path / "made").rglob("*.jsonl")):
        key = f"in/{path.relative_to(tmp_path / 'made').as_posix()}"
        s3.put_object(Bucket="drops", Key=key, Body=path.read_bytes())
    first = ingest("s3://drops/in/", recipe, settings, say=lambda _: None)
    assert first.targets[TRAIN] == first.targets[CORPUS] == 20
    assert list(verify_remote(stored_versions(settings), settings, heal=False)) == []

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("train/more.jsonl", json.dumps(example("more")) + "\n")
        archive.writestr("train/bad.jsonl", json.dumps(example("bad") | {"completion": None}) + "\n")
    s3.put_object(Bucket="drops", Key="in/more.zip", Body=packed.getvalue())
    refused = ingest("s3://drops/in/", recipe, settings, say=lambda _: None)
    (finding,) = (f for f in refused.result.findings if f.check == "types")
    assert [(p.file, p.line) for p in finding.examples] == [("s3://drops/in/more.zip/train/bad.jsonl", 1)]
    assert current(settings).md5 == first.md5

    s3.delete_object(Bucket="drops", Key="in/more.zip")
    s3.put_object(Bucket="drops", Key="in/train/more.jsonl", Body=(json.dumps(example("more")) + "\n").encode())
    second = ingest("s3://drops/in", recipe, settings, say=lambda _: None)
    assert second.changes[TRAIN].added == 1
    assert history(settings)[-1].sources[0] == "s3://drops/in"
    assert [row["id"] for row in rows_of(second.md5, TRAIN, settings)][-1] == "more"
    assert len(list(rows_of(first.md5, TRAIN, settings))) == 20
    assert ingest("s3://drops/in/", recipe, settings, say=lambda _: None) is None
