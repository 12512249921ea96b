"""CSV (RFC 4180: comma, double quotes, a header line) as tables; a column of another type than text holds JSON."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from pipelines.blocks import Block, arrow_schema, frame_of
from pipelines.containers import Unreadable
from pipelines.formats import Row
from pipelines.limits import MIB
from pipelines.rows import problems, required, value
from pipelines.text_lines import Fault, Lines

ROWS, SIZE = 10_000, 4 * MIB  # of one block; a row's share is its characters
TOO_LONG = "row longer"


class CsvReader:
    """Reads blocks of lines as rows of a format; a quoted text may go over many lines."""

    def __init__(self, form: type[Row], longest: int, *, keep: bool) -> None:
        self.form, self.longest, self.keep = form, longest, keep
        # Columns that may be left empty, for they need not be there, and those that do not hold text.
        self.needed = set(required(form))
        self.no_text = {name for name, kind in arrow_schema(form).items() if str(kind) != "string"}
        self.faults: list[Fault] = []
        self.notes: Counter[str] = Counter()
        self.last = self.taken = 0  # the last line that was read, and the characters of its row so far
        csv.field_size_limit(longest)

    def blocks(self, lines: Iterable[Lines]) -> Iterator[Block]:
        """Blocks of rows. Raises Unreadable for a header that names a column twice."""
        header: list[str] = []
        batch: list[tuple[int, list[str]]] = []
        size = 0
        for number, cells in self._rows(_Texts(self, lines)):
            if not header:
                header = _checked(cells)
            elif cells:
                batch.append((number, cells))
                size += self.taken
            if size > SIZE or max(len(batch), len(self.faults)) >= ROWS:
                yield self._block(header, batch)
                batch, size = [], 0
        yield self._block(header, batch)

    def _rows(self, texts: _Texts) -> Iterator[tuple[int, list[str]]]:
        """Line and cells of each row; what is no CSV has none and becomes a fault, and reading goes on after it."""
        rows = csv.reader(texts, strict=True)
        while True:
            first, self.taken = self.last + 1, 0
            try:
                yield first, next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                long = str(error).startswith(("field larger", TOO_LONG))
                what = "a row is longer than allowed; is a quote left open?" if long else f"not CSV: {error}"
                self.faults.append(Fault("line_too_long" if long else "csv", first, None, what))
                yield first, []

    def _block(self, header: list[str], batch: list[tuple[int, list[str]]]) -> Block:
        found, numbers, raw = [], [], []
        faults, self.faults = self.faults, []
        notes, self.notes = self.notes, Counter()
        bad = len({fault.line for fault in faults})
        for number, cells in batch:
            row = self._row(header, number, cells, faults)
            if row is not None:
                found.append(row)
                numbers.append(number)
                raw.append(json.dumps(row, ensure_ascii=False).encode() if self.keep else b"")
        return Block(frame_of(found, numbers, raw, self.form), len(batch) + bad, faults, notes)

    def _row(self, header: list[str], number: int, cells: list[str], faults: list[Fault]) -> dict[str, Any] | None:
        if len(cells) != len(header):
            faults.append(Fault("csv", number, None, f"{len(cells)} cells, but the header has {len(header)}"))
            return None
        row = {}
        for name, cell in zip(header, cells, strict=True):
            if (found := self._value(name, cell)) is not None:
                row[name] = found
        wrong = problems(row, self.form)
        faults += [Fault(check, number, column, what) for check, column, what in wrong]
        return None if wrong else row

    def _value(self, name: str, cell: str) -> Any:
        """A cell's value; an empty one of an optional column is no value."""
        if cell == "" and name not in self.needed:
            return None
        if name not in self.no_text:
            return cell
        try:
            return value(cell.encode())
        except ValueError:
            return cell


class _Texts:
    """The lines of all blocks, one by one; a row that goes on for too long is broken off, for it may have no end.

    No generator, which would end with the error.
    """

    def __init__(self, reader: CsvReader, blocks: Iterable[Lines]) -> None:
        self.reader, self.lines = reader, self._lines(blocks)

    def __iter__(self) -> _Texts:
        return self

    def __next__(self) -> str:
        if self.reader.taken > self.reader.longest:
            raise csv.Error(TOO_LONG)
        line = next(self.lines)
        self.reader.last += 1
        self.reader.taken += len(line)
        return line

    def _lines(self, blocks: Iterable[Lines]) -> Iterator[str]:
        for block in blocks:
            self.reader.faults += block.faults
            self.reader.notes += block.notes
            for line in block.data.decode().split("\n")[:-1]:
                yield line + "\n"


def _checked(header: list[str]) -> list[str]:
    if twice := [name for name, count in Counter(header).items() if count > 1]:
        raise Unreadable("csv", f"the header names {min(twice)[:40]!r} twice", "give every column its own name")
    return header
