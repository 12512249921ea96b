"""What may be used and what is set aside, written while a set is read, and put in place only when it is not refused."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pipelines.artifact import write_json
from pipelines.blocks import LINE, RAW
from pipelines.facts import ALWAYS, BEYOND_A_LIMIT, SET_ASIDE
from pipelines.findings import Result

if TYPE_CHECKING:
    import polars as pl

Undecided = tuple[int, str, str, int, list[str]]  # line of accepted.jsonl from 0, set, file, line, checks
Tolerated = Mapping[str, frozenset[str]]
ACCEPTED, QUARANTINED = "accepted.jsonl", "quarantined.jsonl"
UNDECIDED = "undecided.jsonl"


class Outputs:
    """accepted.jsonl, quarantined.jsonl and validation.json of a folder.

    Rows that fail only checks with a limit stay among the accepted until `finish`, for the limit is about all rows.
    Which they are is kept in a file: it may be most of them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for name in (ACCEPTED, QUARANTINED, "validation.json"):
            (folder / name).unlink(missing_ok=True)
        names = (ACCEPTED, QUARANTINED, UNDECIDED)
        self.accepted, self.aside, self.undecided = (self._part(name).open("wb") for name in names)
        self.lines = 0

    def add(self, name: str, file: str, frame: pl.DataFrame) -> None:
        """Write the rows of a block of a file of the set `name`."""
        import polars as pl

        bad = pl.any_horizontal(ALWAYS)
        for row in frame.filter(bad).select(LINE, RAW, *SET_ASIDE).iter_rows(named=True):
            checks = [name for name in SET_ASIDE if row[name]]
            self.aside.write(_record(file, row[LINE], checks, row[RAW].rstrip("\n")))
        kept = frame.filter(~bad)
        texts = kept.select(pl.col(RAW).str.strip_chars_end("\n") + "\n")[RAW]
        self.accepted.write("".join(texts).encode())
        doubtful = kept.with_row_index("\0at").filter(pl.any_horizontal(BEYOND_A_LIMIT))
        for row in doubtful.select("\0at", LINE, *BEYOND_A_LIMIT).iter_rows(named=True):
            checks = [check for check in BEYOND_A_LIMIT if row[check]]
            found: Undecided = (self.lines + row["\0at"], name, file, row[LINE], checks)
            self.undecided.write(json.dumps(found).encode() + b"\n")
        self.lines += len(kept)

    def finish(self, result: Result, tolerated: Tolerated) -> None:
        """Put the files in place, after a refusal none but validation.json.

        `tolerated` says for each set which checks its rows may fail and stay.
        """
        self.undecided.close()
        for file in (self.accepted, self.aside):
            file.flush()
        if result.verdict != "reject":
            self._move(self._removed(tolerated))
        self._part(UNDECIDED).unlink()
        _close(self.accepted)
        _close(self.aside)
        for name in (ACCEPTED, QUARANTINED):
            if result.verdict == "reject":
                self._part(name).unlink()
            else:
                self._part(name).replace(self.folder / name)
        write_json(self.folder / "validation.json", result.model_dump(mode="json"))

    def _removed(self, tolerated: Tolerated) -> Iterator[Undecided]:
        """Those of the undecided rows that do not stay, in their order."""
        with self._part(UNDECIDED).open("rb") as file:
            for at, name, source, line, checks in map(json.loads, file):
                if set(checks) - tolerated[name]:
                    yield at, name, source, line, checks

    def _move(self, removed: Iterator[Undecided]) -> None:
        """Write the accepted lines again without some of them, which join those set aside."""
        found = next(removed, None)
        if found is None:
            return
        whole = self._part(ACCEPTED)
        fewer = whole.with_suffix(".fewer")
        with whole.open("rb") as source, fewer.open("wb") as target:
            for number, line in enumerate(source):
                if found and number == found[0]:
                    self.aside.write(_record(*found[2:], line.decode().rstrip("\n")))
                    found = next(removed, None)
                else:
                    target.write(line)
            _sync(target)
        fewer.replace(whole)

    def _part(self, name: str) -> Path:
        return self.folder / f".{name}.part"


def _record(file: str, line: int, checks: list[str], row: str) -> bytes:
    head = json.dumps({"file": file, "line": line, "checks": checks}, ensure_ascii=False)
    return f'{head[:-1]}, "row": {row}}}\n'.encode()


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _close(file: BinaryIO) -> None:
    _sync(file)
    file.close()
