"""Near duplicates by Jaccard similarity: within a file, between files, and of evaluation texts in training text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.text_form import chunks, distinct, random_odd, spaced, windows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

SHINGLE = 4  # characters
PERMUTATIONS = 128
RECALL = 0.99  # share of the pairs at the threshold that must become candidates
SKETCH = 256  # shingles kept of a text
BUCKET = 16  # texts looked at in a bucket
PAIRS_AT_ONCE, SHINGLES_AT_ONCE = 5_000, 4_096
# Numbers go in pairs, one above the other in 64 bits: sorting them sorts by both.
HIGH, LOW = np.uint64(32), np.uint64(0xFFFFFFFF)


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
            shingles, counts = _shingles(chunk)
            kept, sizes = _sketch(shingles, counts)
            positions = np.arange(len(self), len(self) + len(chunk), dtype=np.uint64)
            for band, keys in zip(self._bands, _keys(shingles, counts, self._rows), strict=True):
                band.extend((keys << HIGH | positions).tobytes())
            self._offsets.extend((len(self._sketches) // 4 + np.cumsum(sizes)).tobytes())
            self._sketches.extend(kept.tobytes())
            self._sorted = False

    def find(self, texts: Iterable[str]) -> list[tuple[int, int]]:
        """(position in `texts`, position of the nearest text of the index) for every text that is near one."""
        found: dict[int, int] = {}
        for text, other in self._near(texts):
            found.setdefault(text, other)
        return list(found.items())

    def met(self, texts: Iterable[str]) -> list[tuple[int, int]]:
        """(position in the index, position of the first of `texts` near it) for every text of the index that is met.

        For few texts looked for in many, such as a test set in all training text: those stream by. Copies within the
        index should be left out, since at most 16 that share a bucket are looked at.
        """
        found: dict[int, int] = {}
        for text, other in self._near(texts):
            found.setdefault(other, text)
        return sorted(found.items())

    def repeats(self) -> list[tuple[int, int]]:
        """(position, position of an earlier text that it is near) for every text of the index that is near one."""
        self._sort()
        sketches, found = self._kept(), np.full(len(self), -1)
        for pairs in (pairs for band in self._bands for pairs in _neighbours(np.frombuffer(band, np.uint64))):
            fresh = pairs[found[pairs[:, 0]] < 0]
            near = fresh[_jaccard(sketches, sketches, fresh) >= self.threshold]
            found[near[:, 0]] = near[:, 1]
        return [(int(text), int(found[text])) for text in np.flatnonzero(found >= 0)]

    def _near(self, texts: Iterable[str]) -> Iterator[tuple[int, int]]:
        """(position in `texts`, position in the index) of all that are near, by text, the nearest first."""
        self._sort()
        before = 0
        for chunk in chunks(texts):
            shingles, counts = _shingles(chunk)
            kept, sizes = _sketch(shingles, counts)
            pairs = self._candidates(_keys(shingles, counts, self._rows))
            scores = _jaccard((kept, np.concatenate(([0], np.cumsum(sizes)))), self._kept(), pairs)
            order = np.lexsort((pairs[:, 1], -scores, pairs[:, 0]))
            near = pairs[order[scores[order] >= self.threshold]]
            yield from zip((before + near[:, 0]).tolist(), near[:, 1].tolist(), strict=True)
            before += len(chunk)

    def _candidates(self, keys_of_bands: Array) -> Array:
        found = [np.empty(0, np.uint64)]
        for band, keys in zip(self._bands, keys_of_bands, strict=True):
            entries, texts = np.frombuffer(band, np.uint64), np.arange(len(keys))
            start = np.searchsorted(entries, keys << HIGH)
            for ahead in range(BUCKET):
                texts = texts[start[texts] + ahead < len(entries)]
                met = entries[start[texts] + ahead]
                same = met >> HIGH == keys[texts]
                texts, met = texts[same], met[same]
                found.append(texts.astype(np.uint64) << HIGH | met & LOW)
        return _unpacked(distinct(np.concatenate(found)))

    def _kept(self) -> tuple[Array, Array]:
        return np.frombuffer(self._sketches, np.uint32), np.frombuffer(self._offsets, np.int64)

    def _sort(self) -> None:
        for band in self._bands if not self._sorted else ():
            np.frombuffer(band, np.uint64).sort()
        self._sorted = True


def rows_of_a_band(threshold: float) -> int:
    """Most numbers of a signature that can be one band, if pairs at the threshold (0.04 to 1) are to be found.

    Of 128 // rows bands one agrees with probability 1 - (1 - threshold^rows)^bands (Leskovec et al., "Mining of
    Massive Datasets", 3.4); more rows mean fewer candidates in vain.
    """
    rows = range(1, PERMUTATIONS + 1)
    return max(r for r in rows if 1 - (1 - threshold**r) ** (PERMUTATIONS // r) >= RECALL)


def _shingles(texts: Sequence[str]) -> tuple[Array, Array]:
    """The different 32-bit hashes of each text's windows, ascending, one text after the other; how many each has."""
    forms = [form and form.ljust(SHINGLE) for form in map(spaced, texts)]
    hashes, starts = windows(forms, SHINGLE)
    owners = np.searchsorted(np.cumsum([len(form) for form in forms]), starts, side="right").astype(np.uint64)
    found = distinct(owners << HIGH | hashes >> HIGH)
    return (found & LOW).astype(np.uint32), np.bincount((found >> HIGH).astype(np.int64), minlength=len(texts))


def _sketch(shingles: Array, counts: Array) -> tuple[Array, Array]:
    rank = np.arange(len(shingles)) - np.repeat(np.cumsum(counts) - counts, counts)
    return shingles[rank < SKETCH], np.minimum(counts, SKETCH)


def _keys(shingles: Array, counts: Array, rows: int) -> Array:
    """A 32-bit key for every band of every text's signature; shape (bands, texts)."""
    bands = PERMUTATIONS // rows
    signed = _signatures(shingles, counts)[:, : bands * rows].reshape(len(counts), bands, rows)
    return (signed.astype(np.uint64) @ random_odd(rows, "band")).T >> HIGH


def _signatures(shingles: Array, counts: Array) -> Array:
    from datasketch import MinHash

    # All hashes of a text are given as one value, an array, which is its own hash: one call instead of thousands.
    minhash = MinHash(PERMUTATIONS, hashfunc=lambda hashes: hashes)
    signed = np.empty((len(counts), PERMUTATIONS), np.uint32)
    for number, found in enumerate(np.split(shingles, np.cumsum(counts)[:-1])):
        minhash.clear()
        for start in range(0, len(found), SHINGLES_AT_ONCE):
            minhash.update_batch([found[start : start + SHINGLES_AT_ONCE]])
        signed[number] = minhash.hashvalues
    return signed


def _neighbours(entries: Array) -> Iterator[Array]:
    """Pairs (position, earlier position) of a band's bucket, by how far apart they stand in it."""
    keys = entries >> HIGH
    for apart in range(1, BUCKET):
        later = np.flatnonzero(keys[apart:] == keys[:-apart]) + apart
        if not len(later):
            return
        yield np.stack((entries[later] & LOW, entries[later - apart] & LOW), axis=1).astype(np.int64)


def _jaccard(sketches: tuple[Array, Array], others: tuple[Array, Array], pairs: Array) -> Array:
    """Similarity of each pair (position in `sketches`, position in `others`)."""
    blocks = (pairs[start : start + PAIRS_AT_ONCE] for start in range(0, len(pairs), PAIRS_AT_ONCE))
    return np.concatenate([np.empty(0), *(_similarity(sketches, others, block) for block in blocks)])


def _similarity(sketches: tuple[Array, Array], others: tuple[Array, Array], pairs: Array) -> Array:
    left, left_sizes = _gathered(*sketches, pairs[:, 0])
    right, right_sizes = _gathered(*others, pairs[:, 1])
    values = np.sort(np.concatenate((left, right)))
    shared, first = np.zeros(len(values), bool), np.ones(len(values), bool)
    shared[:-1] = values[1:] == values[:-1]
    first[1:] = ~shared[:-1]
    pair, shared = (values[first] >> HIGH).astype(np.int64), shared[first]
    rank = np.arange(len(pair)) - np.searchsorted(pair, pair)
    # What is kept of a longer text says nothing of the union beyond its lowest hashes.
    known = (rank < SKETCH) | (np.maximum(left_sizes, right_sizes) < SKETCH)[pair]
    union = np.bincount(pair[known], minlength=len(pairs))
    return np.bincount(pair[known & shared], minlength=len(pairs)) / np.maximum(1, union)


def _gathered(values: Array, offsets: Array, positions: Array) -> tuple[Array, Array]:
    """The values of each position, below the number of the position in `positions`; how many each has."""
    starts, sizes = offsets[positions], offsets[positions + 1] - offsets[positions]
    numbers = np.repeat(np.arange(len(positions), dtype=np.uint64), sizes)
    at = np.arange(len(numbers)) + np.repeat(starts - (np.cumsum(sizes) - sizes), sizes)
    return numbers << HIGH | values[at], sizes


def _unpacked(packed: Array) -> Array:
    return np.stack((packed >> HIGH, packed & LOW), axis=1).astype(np.int64)
