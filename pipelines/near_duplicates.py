"""Near duplicates by Jaccard similarity: texts in memory, to look others up in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.similarity import HIGH, LOW, PERMUTATIONS, jaccard, keys, met, numbered, rows_of_a_band, shingles, sketch
from pipelines.text_form import chunks, distinct, plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


def near_known(texts: Sequence[str], known: Sequence[str]) -> list[bool]:
    """Of each text, whether it stands among the known ones, or is nearly one of them."""
    index, forms = NearIndex(), {plain(text) for text in known}
    index.add(known)
    near = {position for position, _ in index.find(texts)}
    return [position in near or plain(text) in forms for position, text in enumerate(texts)]


class NearIndex:
    """Texts by what they are made of, to find those nearly like others.

    Two texts are near when the sets of their windows of 4 characters (of `text_form.spaced`) have a Jaccard similarity
    of at least `threshold`. datasketch's MinHash gives a text a signature of 128 numbers; texts that agree in a band of
    them are candidates. Their shingles confirm them: all, up to 256 a text, above that the 256 with the lowest hashes
    (Bar-Yossef et al. 2002; standard error 0.025 at 0.8). A text takes 8 bytes a band (21 bands at 0.8), 4 a shingle
    kept and 8: at most 1,200 bytes at 0.8, and an eighth of slack. Of texts that share a bucket 16 are looked at, which
    bounds the time where thousands are nearly one. An empty text is near none.
    """

    def __init__(self, threshold: float = 0.8) -> None:
        self.threshold = threshold
        self._rows = rows_of_a_band(threshold)
        # Byte arrays grow in place, where arrays of numpy would be there twice.
        self._bands = [bytearray() for _ in range(PERMUTATIONS // self._rows)]
        self._sketches, self._offsets = bytearray(), bytearray(8)
        self._sorted = True

    def __len__(self) -> int:
        return len(self._offsets) // 8 - 1

    def add(self, texts: Iterable[str]) -> None:
        """Index texts; their positions count on from those added before."""
        for chunk in chunks(texts):
            hashes, counts = shingles(chunk)
            kept, sizes = sketch(hashes, counts)
            positions = np.arange(len(self), len(self) + len(chunk), dtype=np.uint64)
            for band, found in zip(self._bands, keys(hashes, counts, self._rows), strict=True):
                band.extend((found << HIGH | positions).tobytes())
            self._offsets.extend((len(self._sketches) // 4 + np.cumsum(sizes)).tobytes())
            self._sketches.extend(kept.tobytes())
            self._sorted = False

    def find(self, texts: Iterable[str]) -> list[tuple[int, int]]:
        """(position in `texts`, position of the nearest text of the index) for every text that is near one."""
        found: dict[int, int] = {}
        for text, other in self._near(texts):
            found.setdefault(text, other)
        return list(found.items())

    def _near(self, texts: Iterable[str]) -> Iterator[tuple[int, int]]:
        """(position in `texts`, position in the index) of all that are near, by text, the nearest first."""
        self._sort()
        before = 0
        for chunk in chunks(texts):
            hashes, counts = shingles(chunk)
            pairs = self._candidates(keys(hashes, counts, self._rows))
            kept, sizes = sketch(hashes, counts)
            offsets = np.concatenate(([0], np.cumsum(sizes)))
            scores = jaccard(lambda at: _gathered(kept, offsets, at), self._gather, pairs)  # noqa: B023
            order = np.lexsort((pairs[:, 1], -scores, pairs[:, 0]))
            near = pairs[order[scores[order] >= self.threshold]]
            yield from zip((before + near[:, 0]).tolist(), near[:, 1].tolist(), strict=True)
            before += len(chunk)

    def _candidates(self, keys_of_bands: Array) -> Array:
        found = [np.empty((0, 2), np.int64)]
        for band, wanted in zip(self._bands, keys_of_bands, strict=True):
            texts = np.arange(len(wanted), dtype=np.uint64)
            found.extend(met(wanted << HIGH | texts, np.frombuffer(band, np.uint64)))
        pairs = np.concatenate(found).astype(np.uint64)
        packed = distinct(pairs[:, 0] << HIGH | pairs[:, 1])
        return np.stack((packed >> HIGH, packed & LOW), axis=1).astype(np.int64)

    def _gather(self, positions: Array) -> tuple[Array, Array]:
        return _gathered(np.frombuffer(self._sketches, np.uint32), np.frombuffer(self._offsets, np.int64), positions)

    def _sort(self) -> None:
        for band in self._bands if not self._sorted else ():
            np.frombuffer(band, np.uint64).sort()
        self._sorted = True


def _gathered(values: Array, offsets: Array, positions: Array) -> tuple[Array, Array]:
    starts, sizes = offsets[positions], offsets[positions + 1] - offsets[positions]
    at = np.arange(sizes.sum()) + np.repeat(starts - (np.cumsum(sizes) - sizes), sizes)
    return numbered(values[at], sizes)
