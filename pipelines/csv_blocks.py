"""CSV (RFC 4180: comma, double quotes, a header line) as tables; a column of another type than text holds JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from typing import Any

from pipelines.blocks import Block, arrow_schema, frame_of
from pipelines.containers import Unreadable
from pipelines.formats import Row
from pipelines.rows import parse, problems, required
from pipelines.text_lines import Fault, Lines

ROWS = 10_000  # of one block


class CsvReader:
    """Reads blocks of lines as rows of a format; a quoted text may go over many lines."""

    def __init__(self, form: type[Row], longest: int, *, keep: bool) -> None:
        self.form, self.keep = form, keep
        # Columns that may be left empty, for they need not be there, and those that do not hold text.
        self.needed = set(required(form))
        self.no_text = {name for name, kind in arrow_schema(form).items() if str(kind) != "string"}
        self.faults: list[Fault] = []
        self.last = 0
        csv.field_size_limit(longest)

    def blocks(self, lines: Iterable[Lines]) -> Iterator[Block]:
        """Blocks of rows. Raises Unreadable for a header that names a column twice, or none."""
        rows = csv.reader(self._texts(lines), strict=True)
        header = next(self._rows(rows), (1, None))[1]
        if header is None:
            return
        _check(header)
        batch: list[tuple[int, list[str]]] = []
        for row in self._rows(rows):
            batch.append(row)
            if len(batch) == ROWS:
                yield self._block(header, batch)
                batch = []
        yield self._block(header, batch)

    def _texts(self, lines: Iterable[Lines]) -> Iterator[str]:
        for some in lines:
            self.faults += some.faults
            self.notes = some.notes
            for line in some.data.decode().split("\n")[:-1]:
                self.last += 1
                yield line + "\n"

    def _rows(self, rows: Any) -> Iterator[tuple[int, list[str]]]:
        """Line and cells of each row; what is no CSV becomes a fault, and reading goes on after it."""
        while True:
            first = self.last + 1
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                long = "field larger" in str(error)
                what = "a cell is longer than allowed; is a quote left open?" if long else f"not CSV: {error}"
                self.faults.append(Fault("line_too_long" if long else "csv", first, None, what))
                continue
            if row:
                yield first, row

    def _block(self, header: list[str], batch: list[tuple[int, list[str]]]) -> Block:
        found, numbers, raw = [], [], []
        faults, self.faults = self.faults, []
        bad = len({fault.line for fault in faults})
        for number, cells in batch:
            row = self._row(header, number, cells, faults)
            if row is not None:
                found.append(row)
                numbers.append(number)
                raw.append(json.dumps(row, ensure_ascii=False).encode() if self.keep else b"")
        return Block(frame_of(found, numbers, raw, self.form), len(batch) + bad, faults)

    def _row(self, header: list[str], number: int, cells: list[str], faults: list[Fault]) -> dict[str, Any] | None:
        if len(cells) != len(header):
            faults.append(Fault("csv", number, None, f"{len(cells)} cells, but the header has {len(header)}"))
            return None
        row = {}
        for name, cell in zip(header, cells, strict=True):
            if (value := self._value(name, cell)) is not None:
                row[name] = value
        wrong = problems(row, self.form)
        faults += [Fault(check, number, column, what) for check, column, what in wrong]
        return None if wrong else row

    def _value(self, name: str, cell: str) -> Any:
        """A cell's value; an empty one of an optional column is no value."""
        if cell == "" and name not in self.needed:
            return None
        if name not in self.no_text:
            return cell
        found = parse(f'{{"value":{cell}}}'.encode())
        return cell if isinstance(found, str) else found["value"]


def _check(header: list[str]) -> None:
    if twice := {name for name in header if header.count(name) > 1}:
        raise Unreadable("csv", f"the header names {min(twice)[:40]!r} twice", "give every column its own name")
