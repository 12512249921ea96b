"""Parquet as tables, some thousand rows at a time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.blocks import LINE, RAW, Block, arrow_schema, defaults, finite, frame_of, outside_bounds
from pipelines.containers import CURE, Unreadable, refuse_bomb
from pipelines.formats import Row
from pipelines.limits import MIB, Limits
from pipelines.rows import problems
from pipelines.text_lines import Fault

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

ROWS, SIZE = 4096, 4 * MIB  # of one block
AT_ONCE = 64  # rows unpacked before their size is looked at, for a page of some bytes may hold thousands of long texts
LEAST = 64  # bytes that a row counts for, whatever it holds
DEEP = 16  # lists and structures within each other


def parquet_blocks(path: Path, form: type[Row], limits: Limits, *, keep: bool) -> Iterator[Block]:
    """Blocks of rows; a row's line is its number. Raises Unreadable for damaged data, or data that unpack too far."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            _refuse_columns(file.schema_arrow)
            first = 1
            for table in _tables(file, path.stat().st_size, limits):
                block = _block(table, form, first, limits.line_bytes, keep=keep)
                first += table.num_rows
                block.read = first / max(1, file.metadata.num_rows)
                yield block
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        why = str(error).partition("\n")[0][:80]
        raise Unreadable("container", f"the Parquet data are damaged ({why}); nothing is taken", CURE) from None


def _refuse_columns(schema: pa.Schema) -> None:
    """Refuse two columns of one name, and types whose values have no form in JSON."""
    if twice := [name for name, count in Counter(schema.names).items() if count > 1]:
        raise Unreadable("container", f"two columns are named {twice[0][:40]!r}", "give every column its own name")
    if odd := [field.name for field in schema if not _has_form(field.type)]:
        raise _without_form(odd[0])


def _has_form(kind: Any, depth: int = DEEP) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        return _has_form(kind.value_type, depth)
    if types.is_nested(kind):
        inner = [kind.field(number) for number in range(kind.num_fields)]
        names = {field.name for field in inner}
        return depth > 0 and len(names) == len(inner) and all(_has_form(field.type, depth - 1) for field in inner)
    text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    number = types.is_integer(kind) or types.is_float32(kind) or types.is_float64(kind)
    return bool(text or number or types.is_boolean(kind) or types.is_null(kind))


def _without_form(column: str) -> Unreadable:
    cure = "store it as text, or leave it out"
    return Unreadable("types", f"column {column[:40]!r} holds values that JSON has no form for", cure)


def _tables(file: Any, packed: int, limits: Limits) -> Iterator[pa.Table]:
    """The rows of a file of `packed` bytes, as many at a time as make a block."""
    held: list[pa.RecordBatch] = []
    rows = size = out = 0
    for batch in file.iter_batches(batch_size=AT_ONCE, use_threads=False):
        held.append(batch)
        written = LEAST * batch.num_rows + sum(map(_written_out, batch.columns))
        rows, size, out = rows + batch.num_rows, size + written, out + written
        refuse_bomb(out, packed, limits)
        if rows >= ROWS or size >= SIZE:
            yield _sound(held)
            held, rows, size = [], 0, 0
    if held:
        yield _sound(held)


def _written_out(column: Any) -> int:
    """Bytes that a column takes when each of its values is written out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    if pa.types.is_primitive(column.type.value_type):
        return 8 * len(column)
    return pc.sum(pc.binary_length(column.dictionary).take(column.indices)).as_py() or 0


def _sound(batches: list[Any]) -> pa.Table:
    import pyarrow as pa

    table = pa.Table.from_batches(batches)
    table.validate(full=True)
    return table


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
    further = [table[name] for name in table.column_names if name not in columns]
    if any(column is None for column in columns.values()) or not all(map(_plain, further)):
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
    try:
        column = column.cast(kind)
    except pa.ArrowInvalid:
        return None
    return column if finite(column) else None


def _plain(column: Any) -> bool:
    """Whether each value of a column has surely a form in JSON."""
    import pyarrow as pa

    kind = column.type
    packed = kind.num_fields or pa.types.is_dictionary(kind)
    return _same_kind(kind, pa.string()) or (not packed and finite(column))


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
        raise _without_form(name) from None


def _has_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
