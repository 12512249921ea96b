"""What is put into a store arrives, is proved, and is never somebody else's; real S3 servers say so."""

import pytest

from pipelines import s3, storage
from pipelines.s3_errors import Changed, Damaged
from pipelines.settings import read_settings
from tests.s3_server import Server
from tests.s3_source import bucket, noise, put, quietly, server, settings, taken, wire

__all__ = ["bucket", "server", "settings", "wire"]
pytestmark = pytest.mark.service


@pytest.mark.parametrize("size", [0, 5, 40 << 20])
def test_what_is_put_arrives_and_can_be_taken_back(settings, bucket, tmp_path, size):
    (tmp_path / "x").write_bytes(noise(size))
    for uri in (f"s3://{bucket}/out/x", str(tmp_path / "out" / "x")):
        there = storage.put(tmp_path / "x", uri)
        assert there.size == size
        storage.fetch(there, tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == noise(size)
        storage.delete(there)
        assert storage.look(there) is None
        storage.delete(there)
        (tmp_path / "back").unlink()


def test_what_somebody_else_has_put_there_since_is_not_deleted(settings, bucket, tmp_path):
    (tmp_path / "x").write_bytes(b"ours")
    for uri in (f"s3://{bucket}/x", str(tmp_path / "out" / "x")):
        there = storage.put(tmp_path / "x", uri)
        (tmp_path / "y").write_bytes(b"them")
        theirs = storage.put(tmp_path / "y", uri)
        with pytest.raises(Changed, match="is not what was put there; it stays"):
            storage.delete(there)
        assert storage.look(theirs) == theirs


@pytest.fixture
def aws_like(monkeypatch, tmp_path):
    """moto, which gives ETags of parts and heeds If-Match as AWS does."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    for name, value in Server(port, "test-key-id", "test-secret").environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path / "home"))
    s3.client().create_bucket(Bucket="parts")
    yield read_settings()
    server.stop()


@pytest.mark.parametrize("part", [5 << 20, 8 << 20])
def test_an_object_in_parts_is_proved_by_them(aws_like, tmp_path, part):
    from boto3.s3.transfer import TransferConfig

    content = noise((20 << 20) + 1)
    (tmp_path / "x").write_bytes(content)
    config = TransferConfig(multipart_threshold=part, multipart_chunksize=part)
    s3.client().upload_file(str(tmp_path / "x"), "parts", "in/x.jsonl", Config=config)
    (stored,) = storage.files_at("s3://parts/in/")
    assert stored.etag.endswith("-5" if part == 5 << 20 else "-3")
    part_file = tmp_path / "part"
    part_file.write_bytes(b"?" + content[1 : 9 << 20])
    with pytest.raises(Damaged, match="md5 of parts"):
        storage.fetch(stored, part_file)
    found = quietly("s3://parts/in/", aws_like)
    assert [file.proof for file in found.delivery.files] == ["md5 of parts"]
    assert taken(aws_like) == [("x.jsonl", content)]


def test_an_object_that_is_replaced_before_it_is_read_is_found_changed(aws_like, tmp_path):
    put("parts", "x", b"one\n")
    (stored,) = storage.files_at("s3://parts/x")
    put("parts", "x", b"two\n")
    with pytest.raises(Changed, match="s3://parts/x was changed or deleted"):
        storage.fetch(stored, tmp_path / "x")
