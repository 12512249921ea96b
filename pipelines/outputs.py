"""What may be used and what is set aside, written while a set is read, and put in place only when it is not refused."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pipelines.artifact import write_json
from pipelines.blocks import LINE, RAW
from pipelines.facts import SET_ASIDE
from pipelines.findings import Result

if TYPE_CHECKING:
    import polars as pl

ACCEPTED, QUARANTINED = "accepted.jsonl", "quarantined.jsonl"


class Outputs:
    """accepted.jsonl, quarantined.jsonl and validation.json of a folder.

    Rows that fail only checks with a limit stay among the accepted ones until `finish`, for the limit is about all rows.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for name in (ACCEPTED, QUARANTINED, "validation.json"):
            (folder / name).unlink(missing_ok=True)
        self.accepted, self.aside = (self._part(name).open("wb") for name in (ACCEPTED, QUARANTINED))
        self.lines = 0
        self.undecided: dict[int, tuple[str, int, list[str]]] = {}  # by line of accepted: file, line, checks

    def add(self, file: str, frame: pl.DataFrame, undecided: frozenset[str]) -> None:
        """Write the rows of a block; a row that fails no other checks than the undecided ones is kept for now."""
        import polars as pl

        certain = [name for name in SET_ASIDE if name not in undecided]
        bad = pl.any_horizontal(certain)
        for row in frame.filter(bad).select(LINE, RAW, *SET_ASIDE).iter_rows(named=True):
            checks = [name for name in SET_ASIDE if row[name]]
            self.aside.write(_record(file, row[LINE], checks, row[RAW].rstrip("\n")))
        kept = frame.filter(~bad)
        texts = kept.select(pl.col(RAW).str.strip_chars_end("\n") + "\n")[RAW]
        self.accepted.write("".join(texts).encode())
        doubtful = kept.with_row_index("\0at").filter(pl.any_horizontal(sorted(undecided)))
        for row in doubtful.select("\0at", LINE, *undecided).iter_rows(named=True):
            checks = [name for name in SET_ASIDE if row.get(name)]
            self.undecided[self.lines + row["\0at"]] = (file, row[LINE], checks)
        self.lines += len(kept)

    def finish(self, result: Result, tolerated: frozenset[str]) -> None:
        """Put the files in place (none but validation.json after a refusal); rows stay that fail tolerated checks only."""
        removed = {at: found for at, found in self.undecided.items() if set(found[2]) - tolerated}
        for file in (self.accepted, self.aside):
            file.flush()
        if result.verdict != "reject":
            self._move(removed)
        _close(self.accepted), _close(self.aside)
        for name in (ACCEPTED, QUARANTINED):
            if result.verdict == "reject":
                self._part(name).unlink()
            else:
                self._part(name).replace(self.folder / name)
        write_json(self.folder / "validation.json", result.model_dump(mode="json"))

    def _move(self, removed: dict[int, tuple[str, int, list[str]]]) -> None:
        """Write the accepted lines again without some of them, which join those set aside."""
        if not removed:
            return
        whole = self._part(ACCEPTED)
        fewer = whole.with_suffix(".fewer")
        with whole.open("rb") as source, fewer.open("wb") as target:
            for number, line in enumerate(source):
                if number in removed:
                    self.aside.write(_record(*removed[number], line.decode().rstrip("\n")))
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
