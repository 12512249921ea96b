"""Parquet is read row by row where any value is in doubt; what JSON has no form for is refused."""

from datetime import UTC, datetime

import pytest

from pipelines.containers import Unreadable
from pipelines.formats import FORMATS
from pipelines.reading import read_blocks
from tests.row_files import LIMITS, read, row


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
