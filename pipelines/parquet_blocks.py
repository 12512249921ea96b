"""Parquet as tables, some thousand rows at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.blocks import LINE, RAW, Block, arrow_schema, defaults, finite, frame_of, outside_bounds
from pipelines.containers import CURE, Unreadable, refuse_bomb
from pipelines.formats import Row
from pipelines.limits import Limits
from pipelines.rows import problems
from pipelines.text_lines import Fault

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

ROWS = 4096


def parquet_blocks(path: Path, form: type[Row], limits: Limits, *, keep: bool) -> Iterator[Block]:
    """Blocks of rows; a row's line is its number. Raises Unreadable for damaged data, or data that unpack too far."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            first, out = 1, 0
            for batch in file.iter_batches(batch_size=ROWS, use_threads=False):
                out += batch.nbytes
                refuse_bomb(out, path.stat().st_size, limits)
                table = pa.Table.from_batches([batch])
                table.validate(full=True)
                block = _block(table, form, first, limits.line_bytes, keep=keep)
                first += batch.num_rows
                block.read = first / max(1, file.metadata.num_rows)
                yield block
    except (pa.ArrowException, OSError) as error:
        why = str(error).splitlines()[0][:120]
        raise Unreadable("container", f"the Parquet data are damaged ({why}); nothing is taken", CURE) from None


def _block(table: pa.Table, form: type[Row], first: int, longest: int, *, keep: bool) -> Block:
    frame = None if table.nbytes > longest else _at_once(table, form, first)
    if frame is None:
        return _one_by_one(table, form, first, longest)
    if keep:
        import polars as pl

        frame = frame.with_columns(pl.Series(RAW, [_text(row, form) for row in table.to_pylist()]))
    return Block(frame, len(frame))


def _at_once(table: pa.Table, form: type[Row], first: int) -> pl.DataFrame | None:
    """The table in the format's types, or None when any value is in doubt."""
    import polars as pl
    import pyarrow as pa

    columns = {name: _column(table, form, name, kind) for name, kind in arrow_schema(form).items()}
    if any(column is None for column in columns.values()):
        return None
    frame = pl.from_arrow(pa.table(columns))
    assert isinstance(frame, pl.DataFrame)
    frame = frame.with_columns(
        pl.int_range(first, first + len(frame), dtype=pl.UInt64).alias(LINE), pl.lit("").alias(RAW), *defaults(form)
    )
    return None if outside_bounds(frame, form) else frame


def _column(table: pa.Table, form: type[Row], name: str, kind: Any) -> Any:
    import pyarrow as pa

    needed = form.model_fields[name].is_required()
    if name not in table.column_names:
        return None if needed else pa.nulls(table.num_rows, kind)
    column = table[name]
    if pa.types.is_nested(kind) or not _same_kind(column.type, kind) or (needed and column.null_count):
        return None
    column = column.cast(kind)
    return column if finite(column) else None


def _same_kind(found: Any, wanted: Any) -> bool:
    """Whether a stored type is a wanted one in another width or packing."""
    from pyarrow import types

    if types.is_dictionary(found):
        found = found.value_type
    if types.is_string(wanted):
        return bool(types.is_string(found) or types.is_large_string(found) or types.is_string_view(found))
    whole = types.is_integer(found)
    return bool(whole or types.is_floating(found)) if types.is_floating(wanted) else bool(whole)


def _one_by_one(table: pa.Table, form: type[Row], first: int, longest: int) -> Block:
    found, numbers, raw, faults = [], [], [], []
    for number, values in enumerate(table.to_pylist(), first):
        text = _text(values, form)
        wrong = problems(json.loads(text), form)
        if len(text) > longest and len(text.encode()) > longest:
            faults.append(Fault("line_too_long", number, None, f"the row has more than {longest:,} bytes"))
        elif wrong:
            faults += [Fault(check, number, column, what) for check, column, what in wrong]
        else:
            found.append(json.loads(text))
            numbers.append(number)
            raw.append(text.encode())
    return Block(frame_of(found, numbers, raw, form), table.num_rows, faults)


def _text(row: dict[str, Any], form: type[Row]) -> str:
    """A row as JSON; null in a column that need not be there is no value."""
    fields = form.model_fields
    kept = {n: v for n, v in row.items() if v is not None or (n in fields and fields[n].is_required())}
    try:
        return json.dumps(kept, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        name = next(name for name, value in kept.items() if not _has_json(value))
        raise Unreadable(
            "types", f"column {name[:40]!r} holds values that JSON has no form for", "store it as text, or leave it out"
        ) from None


def _has_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
