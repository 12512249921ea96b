"""Files are read to their end or not at all, rows strictly; what is wrong has its line."""

import gzip
import io
import json
import random
import tarfile
import zipfile
from datetime import UTC, datetime

import pytest

from pipelines.containers import Unreadable
from pipelines.formats import FORMATS
from pipelines.json_blocks import JsonReader
from pipelines.limits import Limits
from pipelines.reading import read_blocks
from pipelines.rows import parse, problems
from pipelines.sources import sources
from pipelines.text_lines import Lines

LIMITS = Limits()


def row(number, **more):
    return {"id": f"r{number}", "text": f"text number {number}", "label": "a", "lang": "en"} | more


def lines(rows):
    return "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows).encode()


GOOD = lines(row(n) for n in range(200))


def read(path, form="classification", limits=LIMITS):
    """Rows that are right, rows in all, and {check: lines} of the others."""
    right, count, faults = 0, 0, {}
    for block in read_blocks(path, FORMATS[form], limits, keep=True):
        right, count = right + len(block.frame), count + block.rows
        for fault in block.faults:
            faults.setdefault(fault.check, []).append(fault.line)
    return right, count, faults


def put(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    return path


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


NO_JSON = [
    '{"id": "a", "text": "b", "label": "c", "lang": "en", "more": {"x": 1, "x": 2}}',
    '{"id": "a", "text": "b", "label": "c", "lang": "en", "more": 1, "more": 1}',
    '{"id": "a", "text": "b", "label": "c", "lang": "en", "more": [NaN]}',
    '{"id": "a", "text": "b", "label": "c", "lang": "en", "more": -Infinity}',
    '{"id": "a", "text": "b", "label": "c", "lang": "en", "more": 1e999}',
    '{"id": "a", "text": "\\ud800", "label": "c", "lang": "en"}',
    '{"id": "a", "text": "\\udc00\\ud800", "label": "c", "lang": "en"}',
    '{"id": "a", "text": "a\tb", "label": "c", "lang": "en"}',
    '{"id": "a", "text": "b", "label": "c", "lang": "en",}',
    '{"id": "a", "text": "b", "label": "c", "lang": "en"} {}',
    '{"id": "a", "text": "b", "label": "c", "lang": "en", "more": 01}',
    '{"id": "a", "text": "b", "label": "c", "lang": "en"}}',
    '{"id": "a", "text": "b", "label": "c", "lang": "en", "more": ' + "9" * 5000 + "}",
    '{"id": "a", "text": "b", "label": "c", "lang": "en", "more": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "{'id': 'a'}",
    "{",
]


@pytest.mark.parametrize("line", NO_JSON, ids=range(len(NO_JSON)))
def test_a_line_that_is_no_json_has_its_place(tmp_path, line):
    content = GOOD.split(b"\n")
    content[100] = line.encode()
    assert read(put(tmp_path, "a.jsonl", b"\n".join(content))) == (199, 200, {"json": [101]})


def test_an_object_on_two_lines_is_none_even_when_another_line_holds_two(tmp_path):
    content = b'{"id": "a", "text": "b",\n"label": "c", "lang": "en"}\n' + lines([row(1)]).rstrip() + lines([row(2)])
    assert read(put(tmp_path, "a.jsonl", content)) == (0, 3, {"json": [1, 2, 3]})


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"label": 1}, "types"),
        ({"label": None}, "types"),
        ({"label": ""}, "types"),
        ({"id": ""}, "types"),
        ({"text": ["a"]}, "types"),
        ({"licence": 3}, "types"),
        ({"timestamp": 1521072000}, "types"),
    ],
)
def test_a_value_of_another_type_is_never_converted(tmp_path, change, check):
    content = lines([row(1), row(2) | change, row(3)])
    assert read(put(tmp_path, "a.jsonl", content)) == (2, 3, {check: [2]})


@pytest.mark.parametrize(
    "change", [{"label": 2**63}, {"timestamp": -(2**63) - 1}, {"rating": 10**400}, {"rating": True}]
)
def test_a_number_that_no_column_holds_is_refused_and_a_large_one_is_taken(tmp_path, change):
    good = FORMATS["recommendation"].model_config["json_schema_extra"]["examples"][0]
    some = [good | {"id": "a", "label": 2**63 - 1, "rating": 2**53 + 1}, good | {"id": "b"} | change]
    assert read(put(tmp_path, "a.jsonl", lines(some)), "recommendation") == (1, 2, {"types": [2]})


def test_further_columns_may_come_and_go_and_change_their_type(tmp_path):
    more = [{}, {"n": 1}, {"n": "x"}, {"n": 2.5, "m": [1]}, {"m": {"a": None}}, {"m": None, "e": []}, {"n": 2**70}]
    content = lines(row(n, **more[n % 7]) for n in range(700))
    assert read(put(tmp_path, "a.jsonl", content)) == (700, 700, {})


def test_whole_blocks_are_right_only_where_every_line_is():
    """Arrow's reading of a block may say "in doubt"; it must never take what the strict reading of a line refuses."""
    chosen = random.Random(1)
    odd = [line.encode() for line in NO_JSON if len(line) < 10_000]
    taken = 0
    odd += [
        b"",
        b" ",
        b"[1]",
        b"1",
        b"null",
        b'"x"',
        b"\x00",
        b"{}",
        b'{"id": 1}',
        b'{"id":"a"}{"id":"b"}',
        b"\xef\xbb\xbf{}",
    ]
    odd += [json.dumps(row(1) | change).encode() for change in ({"label": 1}, {"text": None}, {"x": 1}, {"id": ""})]
    for _ in range(2_000):
        some = [json.dumps(row(n)).encode() for n in range(3)]
        victim = chosen.randrange(3)
        if chosen.random() < 0.3:
            some[victim] = chosen.choice(odd)
        else:
            line = bytearray(some[victim])
            for _ in range(chosen.randint(1, 3)):
                at = chosen.randrange(len(line))
                line[at : at + chosen.randint(0, 2)] = chosen.choice(
                    [b"", b'"', b"{", b"}", b",", b"\\", b"\n", b"1", b"N"]
                )
            some[victim] = bytes(line)
        data = b"\n".join(some) + b"\n"
        reader = JsonReader(FORMATS["classification"], keep=True)
        block = reader._at_once(Lines(1, data))
        if block is not None:
            taken += 1
            rows = [parse(line) for line in data.split(b"\n")[:-1]]
            assert all(isinstance(r, dict) and not problems(r, FORMATS["classification"]) for r in rows), data
            assert block.frame["text"].to_list() == [r["text"] for r in rows]
    assert 100 < taken < 1900, "both ways were taken often"


def csv(*cells):
    return "\r\n".join(cells).encode() + b"\r\n"


def test_a_quoted_text_may_go_over_lines_and_rows_keep_the_line_they_begin_on(tmp_path):
    content = csv("id,text,label,lang", '1,"one, ""two""\nthree",a,en', "2,four,,en", "3,five,b,en")
    assert read(put(tmp_path, "a.csv", content)) == (2, 3, {"types": [4]})


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        (csv("id,text,label,lang", "1,x,a,en", "2,x,a", "3,x,a,en,more"), {"csv": [3, 4]}),
        (csv("id,text,label,lang", "1,x,a,en", '2,"x"y,a,en'), {"csv": [3]}),
        (csv("id,text,label,lang", "1,x,a,en", '2,"x,a,en'), {"csv": [3]}),
        (csv("id,text,lang", "1,x,en"), {"missing_fields": [2]}),
    ],
)
def test_a_row_that_is_no_csv_has_its_place(tmp_path, content, faults):
    assert read(put(tmp_path, "a.csv", content))[2] == faults


def test_a_byte_order_mark_is_left_out_of_a_csv_header_and_said(tmp_path):
    path = put(tmp_path, "a.csv", b"\xef\xbb\xbf" + csv("id,text,label,lang", "1,x,a,en"))
    (block,) = read_blocks(path, FORMATS["classification"], LIMITS, keep=True)
    assert (len(block.frame), block.notes) == (1, {"bom": 1})


def test_a_header_that_names_a_column_twice_is_refused(tmp_path):
    with pytest.raises(Unreadable, match="names 'text' twice"):
        read(put(tmp_path, "a.csv", csv("id,text,text,label,lang", "1,x,y,a,en")))


def test_numbers_and_lists_in_csv_are_json(tmp_path):
    head = "id,user_id,item_id,title,text,rating,label,timestamp"
    content = csv(head, "1,u,i,t,x,4.5,1,828212412", "2,u,i,t,x,4,1.0,828212412", "3,u,i,t,x,four,1,828212412")
    assert read(put(tmp_path, "a.csv", content), "recommendation") == (1, 3, {"types": [3, 4]})
    cells = ['"1,""x"":2"', "1 2", "1}", "NaN", "1e999", "[1]", "99999999999999999999", ""]
    content = csv(head, *(f"{n},u,i,t,x,4,{cell},828212412" for n, cell in enumerate(cells)))
    assert read(put(tmp_path, "c.csv", content), "recommendation") == (0, 8, {"types": [2, 3, 4, 5, 6, 7, 8, 9]})
    content = csv("id,lang,messages", '1,en,"[{""role"": ""user"", ""content"": ""Hi""}]"', "2,en,Hi")
    assert read(put(tmp_path, "b.csv", content), "dialog") == (1, 2, {"types": [3]})


def parquet(tmp_path, rows, name="a.parquet", **columns):
    import pyarrow as pa
    from pyarrow import parquet as file

    table = pa.Table.from_pylist(rows)
    for column, values in columns.items():
        table = table.set_column(table.column_names.index(column), column, values)
    file.write_table(table, tmp_path / name)
    return tmp_path / name


def test_parquet_is_read_and_its_rows_are_numbered(tmp_path):
    import pyarrow as pa

    rows = [row(n) for n in range(10_000)]
    assert read(parquet(tmp_path, rows)) == (10_000, 10_000, {})
    packed = pa.array([r["label"] for r in rows]).dictionary_encode()
    assert read(parquet(tmp_path, rows, label=packed)) == (10_000, 10_000, {})
    rows[4999]["text"] = None
    assert read(parquet(tmp_path, rows)) == (9_999, 10_000, {"types": [5000]})
    assert read(parquet(tmp_path, [{"id": "a", "text": "b", "lang": "en"}]))[2] == {"missing_fields": [1]}
    assert read(parquet(tmp_path, [row(1) | {"label": 1}]))[2] == {"types": [1]}


def test_parquet_with_two_columns_of_a_name_is_refused(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet as file

    file.write_table(
        pa.Table.from_arrays([pa.array(["x"])] * 5, ["id", "text", "label", "lang", "text"]), tmp_path / "a.parquet"
    )
    with pytest.raises(Unreadable, match="two columns are named 'text'"):
        read(tmp_path / "a.parquet")


@pytest.mark.parametrize("keep", [True, False])
def test_a_further_column_of_parquet_that_json_has_no_form_for_is_refused_whether_rows_are_kept_or_not(tmp_path, keep):
    import pyarrow as pa

    for values in (
        pa.array([float("nan")]),
        pa.array([2**60], pa.timestamp("us")),
        pa.array([float("inf")], pa.float32()),
    ):
        path = parquet(tmp_path, [row(1, more=1)], more=values)
        with pytest.raises(Unreadable, match="'more' holds values that JSON has no form for"):
            list(read_blocks(path, FORMATS["classification"], LIMITS, keep=keep))


def test_parquet_numbers_too_large_for_a_column_have_their_row(tmp_path):
    import pyarrow as pa

    good = FORMATS["recommendation"].model_config["json_schema_extra"]["examples"][0]
    path = parquet(tmp_path, [good, good], label=pa.array([1, 2**64 - 1], pa.uint64()))
    assert read(path, "recommendation") == (1, 2, {"types": [2]})
    path = parquet(tmp_path, [good, good], rating=pa.array([1, 2**53 + 1], pa.int64()))
    assert read(path, "recommendation") == (2, 2, {})


@pytest.mark.parametrize("end", [-1, -100, 200])
def test_parquet_that_was_cut_is_refused(tmp_path, end):
    path = parquet(tmp_path, [row(n) for n in range(1000)])
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(Unreadable, match="Parquet data are damaged"):
        read(path)


def test_parquet_that_unpacks_too_far_is_refused(tmp_path):
    with pytest.raises(Unreadable, match="times as many"):
        read(parquet(tmp_path, [row(n, text="x" * 30_000) for n in range(2000)]))


def test_what_has_no_form_in_json_is_refused(tmp_path):
    with pytest.raises(Unreadable, match="'when' holds values that JSON has no form for"):
        read(parquet(tmp_path, [row(1, when=datetime(2020, 1, 1, tzinfo=UTC))]))


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
