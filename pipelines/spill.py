"""What is kept of as many rows as there are: texts, and 64-bit numbers, which stay in memory while they are few."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

PARTS = 64
HELD = 16 << 20  # bytes in memory until they go to disk, if not said otherwise


class Spill:
    """Rows of unsigned numbers, found again by the first one: rows that share it come together, in order."""

    def __init__(self, folder: Path, name: str, columns: tuple[str, ...], held: int | None = None) -> None:
        self.folder, self.name, self.columns = folder, name, columns
        self.most = HELD if held is None else held
        self.held: list[pl.DataFrame] = []
        self.on_disk = False

    def add(self, frame: pl.DataFrame) -> None:
        """Keep the spill's columns of some rows."""
        import polars as pl

        self.held.append(frame.select(pl.col(self.columns).cast(pl.UInt64)).rechunk())
        if sum(len(frame) for frame in self.held) * 8 * len(self.columns) > self.most:
            self._write()

    def parts(self) -> Iterator[pl.DataFrame]:
        """All rows, in parts of which no two share a first number."""
        for number in range(PARTS):
            yield self.part(number)

    def part(self, number: int) -> pl.DataFrame:
        """The rows whose first number is of one part."""
        import numpy as np
        import polars as pl

        if self.on_disk and self.held:
            self._write()
        if not self.on_disk:
            held = pl.concat(self.held) if self.held else pl.DataFrame(schema=dict.fromkeys(self.columns, pl.UInt64))
            return held if number == 0 else held.clear()
        stored = np.fromfile(self._path(number), np.uint64).reshape(-1, len(self.columns))
        return pl.DataFrame(stored, schema=list(self.columns))

    def together(self, other: Spill) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        """The parts of two spills, side by side."""
        if self.on_disk != other.on_disk:
            self._write()
            other._write()
        yield from ((self.part(number), other.part(number)) for number in range(PARTS))

    def _write(self) -> None:
        import numpy as np
        import polars as pl

        frame = pl.concat(self.held) if self.held else None
        rows = np.empty((0, len(self.columns)), np.uint64) if frame is None else frame.to_numpy(order="c")
        # Sorting eight bits is a counting sort.
        part = (rows[:, 0] >> np.uint64(58)).astype(np.uint8)
        rows = rows[np.argsort(part, kind="stable")]
        ends = np.cumsum(np.bincount(part, minlength=PARTS))
        for number, block in enumerate(np.split(rows, ends[:-1])):
            with self._path(number).open("ab") as file:
                # Not by numpy's tofile, which does not say that a disk is full.
                file.write(block.tobytes())
        self.held, self.on_disk = [], True

    def _path(self, number: int) -> Path:
        return self.folder / f"{self.name}-{number:02d}"


class Texts:
    """Texts on disk, in their order, each with the place of its row and what it is of that."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, part: str, texts: Iterable[str], places: Iterable[int]) -> None:
        """Keep more texts."""
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps((place, part, text)) + "\n" for place, text in zip(places, texts, strict=True))

    def slices(self, characters: int) -> Iterator[list[tuple[int, str, str]]]:
        """(place, part, text), in lists that are closed once the texts hold so many characters."""
        if not self.path.exists():
            return
        some, held = list[tuple[int, str, str]](), 0
        with self.path.open(encoding="utf-8") as file:
            for place, part, text in map(json.loads, file):
                some.append((place, part, text))
                held += len(text)
                if held >= characters:
                    yield some
                    some, held = [], 0
        if some:
            yield some
