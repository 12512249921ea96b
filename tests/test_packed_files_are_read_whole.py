"""Files are read to their end or not at all, whatever they are packed in, and text only as UTF-8."""

import gzip
import io
import json
import tarfile
import zipfile

import pytest

from pipelines.containers import Unreadable
from pipelines.limits import Limits
from pipelines.sources import sources
from tests.row_files import GOOD, LIMITS, lines, put, read, row


def gzipped(content):
    # Without the time of day, which would name the same test otherwise in every process.
    return gzip.compress(content, mtime=0)


def packed_zstd(content):
    import pyarrow as pa

    return pa.Codec("zstd").compress(content, asbytes=True)


def flipped(content, at):
    return content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", GOOD),
        ("a.jsonl", GOOD.rstrip(b"\n")),
        ("a.jsonl.gz", gzipped(GOOD)),
        ("a.jsonl.gz", gzipped(GOOD[: len(GOOD) // 2]) + gzipped(GOOD[len(GOOD) // 2 :]) + bytes(512)),
        ("a.jsonl.zst", packed_zstd(GOOD)),
        ("a.ndjson", GOOD),
    ],
)
def test_a_whole_file_is_read_whatever_it_is_packed_in(tmp_path, name, content):
    assert read(put(tmp_path, name, content)) == (200, 200, {})


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.jsonl.gz", gzipped(GOOD)[:-1], "cut"),
        ("a.jsonl.gz", gzipped(GOOD)[:9], "cut"),
        ("a.jsonl.gz", flipped(gzipped(GOOD), -6), "damaged"),
        ("a.jsonl.gz", flipped(gzipped(GOOD), 40), "damaged"),
        ("a.jsonl.gz", gzipped(GOOD) + b"more", "damaged"),
        ("a.jsonl.gz", gzipped(gzipped(GOOD)), "holds gzip again"),
        ("a.jsonl.zst", packed_zstd(GOOD)[:-20], "cut"),
        ("a.jsonl.zst", packed_zstd(GOOD) + b"more", "damaged"),
        ("a.jsonl.gz", GOOD, "the name says gzip, but the content is not"),
        ("a.jsonl", gzipped(GOOD), "the content is gzip"),
        ("a.jsonl.gz", packed_zstd(GOOD), "the content is Zstandard"),
        ("a.txt", GOOD, "ending '.txt' is not known"),
        ("a.parquet", b"PAR1" + bytes(100), "damaged"),
    ],
)
def test_a_damaged_file_or_one_with_a_wrong_name_is_refused(tmp_path, name, content, why):
    with pytest.raises(Unreadable, match=why) as refusal:
        read(put(tmp_path, name, content))
    assert refusal.value.check == "container"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_wide_encodings_are_named_and_refused(tmp_path, encoding):
    with pytest.raises(Unreadable, match="utf-") as refusal:
        read(put(tmp_path, "a.jsonl", GOOD.decode().encode(encoding)))
    assert refusal.value.check == "encoding"


def test_bytes_that_are_no_utf8_have_their_line_and_the_other_rows_are_read(tmp_path):
    content = GOOD.split(b"\n")
    content[7] = '{"id": "x", "text": "café"}'.encode("latin-1")
    content[150] = '{"id": "x", "text": "房间很大很舒服"}'.encode("gb18030")
    assert read(put(tmp_path, "a.jsonl", b"\n".join(content))) == (198, 200, {"encoding": [8, 151]})


@pytest.mark.parametrize("pack", [gzipped, packed_zstd])
def test_a_bomb_is_stopped_long_before_its_end(tmp_path, pack):
    content = pack(lines(row(n, text="x" * 40_000) for n in range(2000)))
    path = put(tmp_path, "a.jsonl." + ("gz" if pack is gzipped else "zst"), content)
    with pytest.raises(Unreadable, match="times as many") as refusal:
        read(path)
    assert refusal.value.check == "decompression_bomb"
    with pytest.raises(Unreadable, match="more than 2,000,000 bytes"):
        read(path, limits=Limits(unpacked_ratio=1e9, unpacked_bytes=2_000_000))


def test_a_line_of_the_longest_size_is_read_and_a_longer_one_has_its_place(tmp_path):
    limits = Limits(line_bytes=2048)
    frame = len(json.dumps(row(1, text="")))
    some = [row(n, text="x" * (2048 - frame)) for n in range(1, 9)] + [row(9, text="y" * 2048)]
    assert read(put(tmp_path, "a.jsonl", lines(some)), limits=limits) == (8, 9, {"line_too_long": [9]})


def test_one_line_without_end_takes_no_memory_and_the_lines_around_it_are_read(tmp_path):
    content = lines([row(1)]) + b'{"id": "' + b"x" * 30_000_000 + b'"}\n' + lines([row(2), row(3)])
    assert read(put(tmp_path, "a.jsonl.gz", gzip.compress(content, 0))) == (3, 4, {"line_too_long": [2]})
    assert read(put(tmp_path, "b.jsonl", content[:-200])) == (1, 2, {"line_too_long": [2]})


def test_an_archive_stands_for_its_files_and_an_unsafe_one_is_not_unpacked(tmp_path):
    with tarfile.open(tmp_path / "good.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("part/a.jsonl")
        info.size = len(GOOD)
        tar.addfile(info, io.BytesIO(GOOD))
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("a.jsonl", GOOD)
        archive.writestr("../escape.jsonl", GOOD)
    (tmp_path / "scratch").mkdir()
    good, bad = sources([tmp_path / "good.tar.gz", tmp_path / "bad.zip"], tmp_path / "scratch", LIMITS, print)
    assert good.name.endswith("good.tar.gz/part/a.jsonl")
    assert read(good.path) == (200, 200, {})
    assert (bad.path, bad.refused.check) == (None, "unsafe_archive")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.zip", "good.tar.gz", "scratch"]
