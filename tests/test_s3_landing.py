"""What lies in a bucket is taken once, whole, and gone on with after a kill; a real S3 server says so."""

import os
import signal
import subprocess
import sys
import time

import pytest

from pipelines import storage
from pipelines.delivery import deliveries
from pipelines.errors import TryAgain
from pipelines.landing import take
from pipelines.s3_errors import Damaged
from pipelines.settings import ROOT
from tests.s3_server import s3_server
from tests.s3_source import bucket, contents, noise, put, quietly, settings, taken, wire

__all__ = ["bucket", "settings", "wire"]
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
