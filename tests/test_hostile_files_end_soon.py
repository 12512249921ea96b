"""A small file made to take hours or gigabytes takes neither: whatever grows faster than the file is bounded."""

import csv
import gzip
import io
import json
from datetime import UTC, datetime

import pytest

from pipelines.check_files import read_set
from pipelines.facts import View
from pipelines.formats import FORMATS
from pipelines.limits import MIB, Limits
from pipelines.sources import Source
from pipelines.tally import Tally
from tests.memory import grown

BOUND = 400  # MB above what the process held before
# Each of these took minutes to days, or more than the bound, before it was bounded.
pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def read(tmp_path):
    """Read a file into a tally, within the bound; give the tally."""

    def run(name, content, form="classification", **limits):
        path = tmp_path / name
        path.write_bytes(content)
        view = View(FORMATS[form], Limits(**limits), None, datetime(2026, 11, 1, tzinfo=UTC))
        tally = Tally(view, [name], tmp_path, None, "part")
        with grown() as memory:
            read_set(tally, [Source(name, path)], lambda _: None)
        assert memory() < BOUND
        return tally

    return run


def row(number, **more):
    return {"id": f"r{number}", "text": f"text number {number}", "label": "a", "lang": "en"} | more


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def failed(tally):
    return {name: measure.rows for name, measure in tally.measures.items() if measure.rows}


@pytest.mark.slow
def test_four_million_empty_lines(read):
    tally = read("a.jsonl", b"\n" * (4 * MIB) + lines([row(1)]))
    assert (tally.rows, failed(tally)) == (1, {"blank_lines": 4 * MIB})


@pytest.mark.slow
def test_a_million_lines_that_are_each_wrong(read):
    assert failed(read("a.jsonl", b"1\n" * 1_000_000)) == {"types": 1_000_000}


def test_a_row_with_a_hundred_thousand_columns_of_which_the_last_is_there_twice(read):
    names = {f"{number}": 0 for number in range(100_000)}
    line = json.dumps(row(1) | names)[:-1] + ', "99999": 0}\n'
    assert failed(read("a.jsonl", line.encode(), line_bytes=2 * MIB)) == {"json": 1}


@pytest.mark.slow
def test_rows_that_each_have_a_column_of_their_own(read):
    tally = read("a.jsonl", lines(row(n, **{f"column{n % 40_000}": n}) for n in range(120_000)))
    assert (tally.rows, failed(tally)) == (120_000, {})


def test_a_column_with_a_thousand_columns_inside(read):
    wide = {f"{n}": {f"{m}": 0 for m in range(10)} for n in range(100)}
    tally = read("a.jsonl", lines(row(n, more=wide) for n in range(500)))
    assert (tally.rows, failed(tally)) == (500, {})


@pytest.mark.slow
def test_columns_that_are_nested_deeper_than_python_recurses(read):
    deep = '{"id": "%d", "text": "x y", "label": "a", "lang": "en", "more": ' + "[" * 900 + "]" * 900 + "}\n"
    tally = read("a.jsonl", "".join(deep % number for number in range(2_000)).encode())
    assert (tally.rows, failed(tally)) == (2_000, {})


def test_a_list_of_half_a_million_wrong_items(read):
    line = '{"id": "a", "lang": "en", "messages": [' + ",".join("1" * 500_000) + "]}\n"
    assert failed(read("a.jsonl", line.encode() * 4, "dialog")) == {"types": 4}
    line = '{"id": "a", "lang": "en", "source": "a", "target": "b", "refs": [' + ",".join("1" * 500_000) + "]}\n"
    assert failed(read("a.jsonl", line.encode() * 4, "rewriting")) == {"types": 4}


def test_lines_that_are_each_a_little_too_long(read):
    assert failed(read("a.jsonl", (b"x" * 1025 + b"\n") * 20_000, line_bytes=1024)) == {"line_too_long": 20_000}


def test_gzip_in_members_of_a_byte(read):
    members = [gzip.compress(bytes([byte]), mtime=0) for byte in range(256)]
    tally = read("a.jsonl.gz", b"".join(members[byte] for byte in lines(row(n) for n in range(2_000))))
    assert (tally.rows, failed(tally)) == (2_000, {})


def test_a_csv_header_with_a_hundred_thousand_names(read):
    header = ",".join(f"{number}" for number in range(150_000))
    assert failed(read("a.csv", header.encode() + b"\n1\n2\n")) == {"csv": 2}


def test_a_csv_row_without_end(read):
    content = b"id,text,label,lang\n1,x,a,en\n2," + b'"\n","\n",' * 1_000 + b"\n3,x,a,en\n"
    tally = read("a.csv", content, line_bytes=1024)
    assert set(failed(tally)) == {"line_too_long", "csv"}
    assert tally.measures["line_too_long"].places[0].line == 3


@pytest.mark.slow
def test_long_texts_in_csv(read):
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["id", "text", "label", "lang"])
    writer.writerows([f"{number}", "x y " * 250_000, "a", "en"] for number in range(300))
    tally = read("a.csv", out.getvalue().encode(), near_duplicates=False, personal_data=1.0)
    assert (tally.rows, failed(tally)) == (300, {"long_texts": 300})


def parquet(table, **options):
    from pyarrow import parquet

    out = io.BytesIO()
    parquet.write_table(table, out, **options)
    return out.getvalue()


@pytest.mark.parametrize("stored", ["text", "dictionary"])
def test_parquet_that_repeats_one_long_text(read, stored):
    import pyarrow as pa

    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 4096, pa.int32()), pa.array(["x" * 2_000_000]))
    table = pa.table({"id": [f"{n}" for n in range(4096)], "text": texts})
    content = parquet(table, compression="zstd", store_schema=stored == "dictionary", dictionary_pagesize_limit=2**30)
    assert len(content) < MIB
    assert failed(read("a.parquet", content)) == {"decompression_bomb": 1}


@pytest.mark.slow
def test_parquet_of_rows_without_columns(read):
    import pyarrow as pa

    table = pa.table({"n": pa.nulls(3_000_000)})
    assert failed(read("a.parquet", parquet(table))).keys() == {"decompression_bomb", "missing_fields"}
