"""JSON lines as tables: whole blocks at once where Arrow can prove them right, else line by line, strictly.

Arrow's reader with a schema refuses wrong types, repeated keys and half surrogates. What it lets pass is looked at
here: NaN, two objects on a line or one on two, and null where a value is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pipelines.blocks import LINE, RAW, Block, arrow_schema, defaults, finite, frame_of, outside_bounds
from pipelines.formats import Row
from pipelines.rows import parse, problems
from pipelines.text_lines import Fault, Lines

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


SPACE = b" \t\r"
# A type that was learned is built for every row of a block: no more columns than these, no deeper than that.
FURTHER, DEEP = 100, 5


class JsonReader:
    """Reads blocks of lines; it learns the types of further columns from the rows that it had to read one by one."""

    def __init__(self, form: type[Row], *, keep: bool) -> None:
        self.form, self.keep = form, keep
        self.known = arrow_schema(form)
        self.learns = True
        # The columns met so far: those of the format, optional ones only once they are met, and further ones.
        self.met = {name: kind for name, kind in self.known.items() if form.model_fields[name].is_required()}

    def blocks(self, lines: Iterable[Lines]) -> Iterator[Block]:
        """One block of rows for each block of lines."""
        for some in lines:
            if some.first == 1:
                self._learn(found for line in some.data.split(b"\n", 64)[:64] if isinstance(found := parse(line), dict))
            yield self._at_once(some) or self._one_by_one(some)

    def _at_once(self, lines: Lines) -> Block | None:
        """The block, if every line of it is one object of the format; None when any is in doubt."""
        import pyarrow as pa

        data, count = lines.data, lines.data.count(b"\n")
        if lines.faults or not data.startswith(b"{") or data.count(b"}\n{") != count - 1 or data[-2:] != b"}\n":
            return None
        table = self._table(data)
        if table is None or table.num_rows != count or not self._sound(table):
            return None
        for name, kind in self.known.items():
            if name not in self.met:
                table = table.append_column(name, pa.nulls(count, kind))
        frame = _frame(table.select(list(self.known)), lines.first, _split(data) if self.keep else None)
        frame = frame.with_columns(defaults(self.form))
        return None if outside_bounds(frame, self.form) else Block(frame, count, notes=lines.notes)

    def _table(self, data: bytes) -> pa.Table | None:
        import pyarrow as pa
        from pyarrow import json

        schema = pa.schema(list(self.met.items()))
        try:
            return json.read_json(
                pa.BufferReader(data),
                read_options=json.ReadOptions(use_threads=False, block_size=len(data) + 1),
                parse_options=json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
            )
        except pa.ArrowException:
            return None

    def _sound(self, table: pa.Table) -> bool:
        """No NaN, no null inside a value, and none in a column of the format, for it may stand for no value at all."""
        for name in table.column_names:
            column = table[name]
            if not finite(column) or any(_nulls_inside(chunk) for chunk in column.chunks):
                return False
            if name in self.known and column.null_count:
                return False
        return True

    def _one_by_one(self, lines: Lines) -> Block:
        found, numbers, raw, faults = [], [], [], list(lines.faults)
        skipped, rows = {fault.line for fault in faults}, len(faults)
        empty = "space_lines" if lines.notes["crlf"] else "blank_lines"  # there an empty line is a CR
        skipped.add(lines.first + lines.data.count(b"\n"))  # what follows the last line feed is no line
        for number, line in enumerate(lines.data.split(b"\n"), lines.first):
            if not line.strip(SPACE):
                if number not in skipped:
                    lines.notes["space_lines" if line else empty] += 1
                continue
            rows += 1
            row = parse(line)
            if isinstance(row, str):
                faults.append(Fault("json" if row.startswith("not JSON") else "types", number, None, row))
            elif wrong := problems(row, self.form):
                faults += [Fault(check, number, column, what) for check, column, what in wrong]
            else:
                found.append(row)
                numbers.append(number)
                raw.append(line)
        self._learn(found)
        return Block(frame_of(found, numbers, raw, self.form), rows, faults, lines.notes)

    def _learn(self, rows: Iterable[dict[str, Any]]) -> None:
        import pyarrow as pa

        for row in rows if self.learns else ():
            for name in row:
                if name in self.known:
                    self.met[name] = self.known[name]
                elif self.met.get(name, pa.null()) == pa.null() and row[name] not in ([], {}):
                    self._learn_column(name, row[name])

    def _learn_column(self, name: str, value: Any) -> None:
        """Learn a column's type; a file with too many columns goes on being read line by line."""
        import pyarrow as pa

        self.learns = self.learns and _shallow(value)
        if self.learns:
            with suppress(pa.ArrowException, OverflowError):
                kind = pa.infer_type([value])
                self.learns = sum(map(_leaves, [kind, *self.met.values()])) <= FURTHER
                self.met |= {name: kind} if self.learns else {}


def _shallow(value: Any, depth: int = DEEP) -> bool:
    """Whether lists and objects are nested little."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth > 0 and all(_shallow(found, depth - 1) for found in inner)


def _leaves(kind: Any) -> int:
    """How many columns an Arrow type takes."""
    return sum(_leaves(kind.field(number).type) for number in range(kind.num_fields)) or 1


def _nulls_inside(array: Any) -> bool:
    """Whether a list or an object holds a null, at any depth."""
    import pyarrow as pa

    if not pa.types.is_nested(array.type):
        return False
    inner = array.flatten() if pa.types.is_struct(array.type) else [array.flatten()]
    return any(part.null_count or _nulls_inside(part) or not finite(part) for part in inner)


def _frame(table: pa.Table, first: int, raw: Any) -> pl.DataFrame:
    import polars as pl

    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    lines = pl.int_range(first, first + len(frame), dtype=pl.UInt64)
    return frame.with_columns(lines.alias(LINE), pl.lit("").alias(RAW) if raw is None else pl.Series(RAW, raw))


def _split(data: bytes) -> Any:
    """The lines of a block as an Arrow array that shares its bytes."""
    import numpy as np
    import pyarrow as pa

    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == 10)
    offsets = np.concatenate(([0], ends + 1)).astype(np.int32)
    return pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(data))
