"""What lies in a bucket is taken once, whole, and gone on with after a kill; a real S3 server says so."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from pipelines import s3, storage
from pipelines.delivery import deliveries, landing
from pipelines.errors import Refused, ScriptoriumError, TryAgain
from pipelines.landing import take
from pipelines.s3_errors import Changed, Damaged
from pipelines.settings import ROOT, read_settings
from tests.s3_server import Server, Wire, s3_server

pytestmark = pytest.mark.service

MANY = 10_000
BIG_MB = int(os.environ.get("BIG_FILE_MB", "96"))  # tests/benchmarks/ingest.py takes one of 2 GB

TAKE = """
import sys
from pipelines.landing import take
from pipelines.settings import read_settings
take(sys.argv[1], read_settings())
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server for the module; `many` holds 10,000 small files from before it started."""
    folder = tmp_path_factory.mktemp("s3")
    for number in range(MANY):
        path = folder / "buckets" / "many" / "in" / f"{number % 7}" / f"{number:05}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'{"id": "%d"}\n' % number)
    with s3_server(folder / "buckets") as running:
        yield running


@pytest.fixture
def wire(server):
    wire = Wire(server.port)
    yield wire
    wire.close()


@pytest.fixture
def settings(server, wire, tmp_path, monkeypatch):
    """A home of its own; boto3 finds the server by way of the wire."""
    for name, value in server.environment(wire.port).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path / "home"))
    return read_settings()


@pytest.fixture
def bucket(settings, request):
    """An empty bucket with a name of its own."""
    name = f"test-{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]}"
    s3.client().create_bucket(Bucket=name)
    return name


def put(bucket, key, content):
    s3.client().put_object(Bucket=bucket, Key=key, Body=content)


def quietly(source, settings):
    return take(source, settings, say=lambda _: None)


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def taken(settings):
    folders = [landing(settings) / delivery.id / "files" for delivery in deliveries(settings)]
    return sorted(item for folder in folders for item in contents(folder).items())


def noise(size):
    return random.Random(size).randbytes(size)


def test_ten_thousand_files_are_listed_page_by_page_and_taken_once(settings):
    said = []
    found = take("s3://many/in", settings, say=said.append)
    assert len(found.delivery.files) == MANY
    assert {file.proof for file in found.delivery.files} == {"md5"}
    wanted = {f"{n % 7}/{n:05}.jsonl": b'{"id": "%d"}\n' % n for n in range(MANY)}
    assert contents(found.folder / "files") == wanted
    assert f"took {MANY:,} files" in said[-1]
    assert quietly("s3://many/in/", settings).folder is None


def big_take(source, wire, server, until):
    """Take in a process of its own until so many bytes have come over the wire, then kill it."""
    environ = os.environ | server.environment(wire.port)
    child = subprocess.Popen([sys.executable, "-c", TAKE, source], cwd=ROOT, env=environ)
    start = wire.brought
    while child.poll() is None and wire.brought - start < until:
        time.sleep(0.001)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL, "it was to be killed before it was through"


def test_a_big_file_is_gone_on_with_after_a_kill_without_fetching_its_first_part_again(
    settings, bucket, wire, server, tmp_path
):
    content = noise(1 << 20) * BIG_MB
    (tmp_path / "big").write_bytes(content)
    storage.put(tmp_path / "big", f"s3://{bucket}/in/big.jsonl")
    big_take(f"s3://{bucket}/in/", wire, server, len(content) // 2)
    assert deliveries(settings) == []
    (part,) = (settings.work / "landing").glob("*/parts/*")
    kept, before, said = part.stat().st_size, wire.brought, []
    assert kept > len(content) // 4
    found = take(f"s3://{bucket}/in/", settings, say=said.append)
    assert f"{(len(content) - kept) / 1e6:,.1f} MB are to come" in said[0]
    assert wire.brought - before < len(content) - kept + 1_000_000
    assert contents(found.folder / "files") == {"big.jsonl": content}


def test_an_object_that_is_replaced_after_a_kill_is_fetched_from_its_beginning(settings, bucket, wire, server):
    first, second = noise(32 << 20), noise((32 << 20) + 1)[1:]
    put(bucket, "in/x.jsonl", first)
    big_take(f"s3://{bucket}/in/", wire, server, 16 << 20)
    put(bucket, "in/x.jsonl", second)
    quietly(f"s3://{bucket}/in/", settings)
    assert taken(settings) == [("x.jsonl", second)]


def test_an_object_that_is_replaced_while_it_is_read_is_never_mixed(settings, bucket, wire):
    first, second = noise(32 << 20), noise((32 << 20) + 1)[1:]
    put(bucket, "in/x.jsonl", first)
    # The connection breaks in the middle, and what is then gone on with is another object.
    wire.cut_at = wire.brought + (16 << 20)
    wire.on_cut = lambda: put(bucket, "in/x.jsonl", second)
    quietly(f"s3://{bucket}/in/", settings)
    assert wire.cut_at is None
    assert taken(settings) == [("x.jsonl", second)]


def test_a_lost_connection_is_taken_up_where_it_broke(settings, bucket, wire):
    content = noise(32 << 20)
    put(bucket, "in/x.jsonl", content)
    before = wire.brought
    wire.cut_at = before + (16 << 20)
    quietly(f"s3://{bucket}/in/", settings)
    assert wire.cut_at is None
    assert wire.brought - before < len(content) + 4_000_000
    assert taken(settings) == [("x.jsonl", content)]


def test_a_byte_flipped_on_the_way_is_noticed_and_the_file_fetched_again(settings, bucket, wire):
    put(bucket, "in/x.jsonl", noise(4 << 20))
    wire.flip_at = [wire.brought + (2 << 20)]
    said = []
    take(f"s3://{bucket}/in/", settings, say=said.append)
    assert any("what arrived has md5" in line and "fetching it again" in line for line in said)
    assert taken(settings) == [("x.jsonl", noise(4 << 20))]


def test_a_file_that_arrives_damaged_every_time_is_not_taken(settings, bucket, wire):
    put(bucket, "in/x.jsonl", noise(4 << 20))
    wire.flip_at = [wire.brought + (2 << 20), wire.brought + (6 << 20)]
    with pytest.raises(Damaged, match=rf"s3://{bucket}/in/x\.jsonl: what arrived has md5 .*, the store holds"):
        quietly(f"s3://{bucket}/in/", settings)
    assert taken(settings) == []


def test_a_byte_flipped_on_the_disk_between_two_tries_is_noticed(settings, bucket, wire, server):
    put(bucket, "in/x.jsonl", noise(32 << 20))
    big_take(f"s3://{bucket}/in/", wire, server, 16 << 20)
    (part,) = (settings.work / "landing").glob("*/parts/*")
    with part.open("r+b") as file:
        file.write(b"?")
    quietly(f"s3://{bucket}/in/", settings)
    assert taken(settings) == [("x.jsonl", noise(32 << 20))]


def test_a_store_that_stays_away_in_the_middle_is_tried_again_later(settings, bucket, wire):
    put(bucket, "in/x.jsonl", noise(32 << 20))
    wire.cut_at = wire.brought + (16 << 20)
    wire.on_cut = wire.close
    with pytest.raises(TryAgain, match=r"x\.jsonl: the connection is lost .* the next try goes on at byte 1\d{7}"):
        quietly(f"s3://{bucket}/in/", settings)
    assert taken(settings) == []


def test_other_content_under_the_same_name_is_new_and_the_same_content_is_not(settings, bucket):
    put(bucket, "in/x.jsonl", b"one\n")
    quietly(f"s3://{bucket}/in/", settings)
    put(bucket, "in/x.jsonl", b"one\n")
    assert quietly(f"s3://{bucket}/in/", settings).delivery is None
    put(bucket, "in/x.jsonl", b"two\n")
    quietly(f"s3://{bucket}/in/", settings)
    assert taken(settings) == [("x.jsonl", b"one\n"), ("x.jsonl", b"two\n")]


def test_one_object_can_be_a_source_and_a_name_is_no_prefix(settings, bucket):
    put(bucket, "in/x.jsonl", b"one\n")
    put(bucket, "in/x.jsonl.more", b"two\n")
    put(bucket, "in2/y.jsonl", b"three\n")
    assert contents(quietly(f"s3://{bucket}/in/x.jsonl", settings).folder / "files") == {"x.jsonl": b"one\n"}
    assert contents(quietly(f"s3://{bucket}/in", settings).folder / "files") == {"x.jsonl.more": b"two\n"}
    assert quietly(f"s3://{bucket}/typo/", settings).delivery is None


def test_names_with_any_letters_arrive_as_they_are(settings, bucket):
    names = ["\u65b0\u95fb \u4e00.jsonl", "a+b%20&c=d.jsonl", "\u00e9\u0301.jsonl", "deep/er/#?.jsonl"]
    for name in names:
        put(bucket, f"in/{name}", name.encode())
    found = quietly(f"s3://{bucket}/in/", settings)
    assert contents(found.folder / "files") == {name: name.encode() for name in names}


WRONG = {
    "no answer": ({"AWS_ENDPOINT_URL": "http://user:hush@127.0.0.1:9"}, r"http://127\.0\.0\.1:9 does not answer"),
    "no address": ({"AWS_ENDPOINT_URL": "127.0.0.1:9"}, "AWS_ENDPOINT_URL is not an address"),
    "no credentials": ({"AWS_ACCESS_KEY_ID": None, "AWS_EC2_METADATA_DISABLED": "true"}, "set AWS_ACCESS_KEY_ID"),
    "wrong key": ({"AWS_ACCESS_KEY_ID": "AKIDhush"}, "credentials are not accepted; check AWS_ACCESS_KEY_ID"),
    "wrong secret": ({"AWS_SECRET_ACCESS_KEY": "hushhush"}, "credentials are not accepted"),
    "no profile": ({"AWS_PROFILE": "nobody"}, r"\(nobody\) could not be found; check AWS_PROFILE"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_the_connection_is_said_with_its_cure_and_no_secret(settings, monkeypatch, tmp_path, what):
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    changes, words = WRONG[what]
    for name, value in changes.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    with pytest.raises(ScriptoriumError, match=words) as error:
        quietly("s3://many/in/", settings)
    assert "hush" not in str(error.value)


def test_a_bucket_that_is_not_there_is_refused_by_name(settings):
    with pytest.raises(
        Refused, match=r"s3://nowhere/in/: there is no such bucket; check its name, and AWS_ENDPOINT_URL"
    ):
        quietly("s3://nowhere/in/", settings)


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
