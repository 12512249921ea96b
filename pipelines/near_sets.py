"""Near duplicates within a set of any size, and between two: what the texts are made of lies on disk."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from pipelines.similarity import (
    HIGH,
    PERMUTATIONS,
    jaccard,
    keys,
    met,
    neighbours,
    numbered,
    rows_of_a_band,
    shingles,
    sketch,
)
from pipelines.spill import Spill
from pipelines.text_form import chunks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

HELD = 1 << 20  # bytes of a band in memory until they go to disk
TRIED = 64  # texts compared with one that is near none of them, which bounds the time where all are from one template
PLACES = 1 << 20  # read at once


class NearSet:
    """The texts of a set, to find those that are nearly like another: the same texts that `NearIndex` would find.

    On disk a text takes 8 bytes a band (21 bands at 0.8), 4 a shingle kept (up to 256) and 16; in memory one byte while
    it is searched. Texts have places, 64-bit numbers that ascend, by which they are called.
    """

    def __init__(self, folder: Path, threshold: float = 0.8) -> None:
        self.threshold, self._count, self._end = threshold, 0, 0
        self._rows = rows_of_a_band(threshold)
        names = (f"band-{number}" for number in range(PERMUTATIONS // self._rows))
        self._bands = [Spill(folder, name, ("entry",), held=HELD) for name in names]
        self._files = [folder / name for name in ("near-sketches", "near-starts", "near-places")]
        for file in self._files:
            file.touch()

    def __len__(self) -> int:
        return self._count

    def add(self, texts: Iterable[str], places: Sequence[int]) -> None:
        """Take in texts, each with its place."""
        import polars as pl

        at = 0
        for chunk in chunks(texts):
            hashes, counts = shingles(chunk)
            kept, sizes = sketch(hashes, counts)
            positions = np.arange(self._count, self._count + len(chunk), dtype=np.uint64)
            for band, found in zip(self._bands, keys(hashes, counts, self._rows), strict=True):
                band.add(pl.DataFrame({"entry": found << HIGH | positions}))
            starts = self._end + np.cumsum(sizes) - sizes
            columns = (kept, np.stack((starts, sizes), axis=1), np.array(places[at : at + len(chunk)], np.uint64))
            for path, column in zip(self._files, columns, strict=True):
                with path.open("ab") as file:
                    file.write(column.tobytes())
            self._count, self._end, at = self._count + len(chunk), self._end + int(sizes.sum()), at + len(chunk)

    def repeats(self) -> Array:
        """The places of texts that are near an earlier one, ascending."""
        parts = (np.sort(part["entry"].to_numpy()) for band in self._bands for part in band.parts())
        return self._near(self, (pairs for part in parts for pairs in neighbours(part)))

    def near(self, other: NearSet) -> Array:
        """The places of texts that are near one of another set, ascending."""
        both = zip(self._bands, other._bands, strict=True)
        parts = (part for mine, theirs in both for part in mine.together(theirs))
        entries = ((mine["entry"].to_numpy(), np.sort(theirs["entry"].to_numpy())) for mine, theirs in parts)
        return self._near(other, (pairs for mine, theirs in entries for pairs in met(mine, theirs)))

    def _near(self, other: NearSet, candidates: Iterator[Array]) -> Array:
        found, tried = np.zeros(self._count, bool), np.zeros(self._count, np.uint8)
        with _Sketches(*self._files[:2]) as mine, _Sketches(*other._files[:2]) as theirs:
            for pairs in candidates:
                fresh = pairs[~found[pairs[:, 0]] & (tried[pairs[:, 0]] < TRIED)]
                # Within these pairs no text comes first twice.
                tried[fresh[:, 0]] += 1
                found[fresh[jaccard(mine.gather, theirs.gather, fresh) >= self.threshold, 0]] = True
        return self.places(np.flatnonzero(found))

    def places(self, positions: Array) -> Array:
        """The places of some texts, by their positions, which ascend."""
        found = [np.empty(0, np.uint64)]
        for start in range(0, self._count, PLACES):
            some = positions[np.searchsorted(positions, start) : np.searchsorted(positions, start + PLACES)] - start
            found.append(np.fromfile(self._files[2], np.uint64, PLACES, offset=8 * start)[some])
        return np.concatenate(found)


class _Sketches:
    """The sketches of a set, read where they lie: mapped into memory, all of them would come to count as held."""

    def __init__(self, sketches: Path, starts: Path) -> None:
        self.sketches, self.starts = (os.open(path, os.O_RDONLY) for path in (sketches, starts))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.sketches)
        os.close(self.starts)

    def gather(self, positions: Array) -> tuple[Array, Array]:
        """The sketches of some positions (`similarity.Gather`)."""
        read, sketches, starts = os.pread, self.sketches, self.starts
        known = b"".join(read(starts, 16, 16 * at) for at in positions.tolist())
        where = np.frombuffer(known, np.int64).reshape(-1, 2)
        kept = b"".join(read(sketches, 4 * size, 4 * start) for start, size in where.tolist())
        return numbered(np.frombuffer(kept, np.uint32), where[:, 1])
