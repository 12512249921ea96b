"""How alike two texts are, by Jaccard similarity of what they are made of; and MinHash signatures, for candidates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.text_form import distinct, random_odd, spaced, windows

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
# Gives the sketches of some positions, one after the other, each value below the number of its position among them;
# and how many values each has.
Gather = Callable[["Array"], tuple["Array", "Array"]]


def rows_of_a_band(threshold: float) -> int:
    """Most numbers of a signature that can be one band, if pairs at the threshold (0.04 to 1) are to be found.

    Of 128 // rows bands one agrees with probability 1 - (1 - threshold^rows)^bands (Leskovec et al., "Mining of
    Massive Datasets", 3.4); more rows mean fewer candidates in vain.
    """
    rows = range(1, PERMUTATIONS + 1)
    return max(r for r in rows if 1 - (1 - threshold**r) ** (PERMUTATIONS // r) >= RECALL)


def shingles(texts: Sequence[str]) -> tuple[Array, Array]:
    """The different 32-bit hashes of each text's windows, ascending, one text after the other; how many each has."""
    forms = [form and form.ljust(SHINGLE) for form in map(spaced, texts)]
    hashes, starts = windows(forms, SHINGLE)
    owners = np.searchsorted(np.cumsum([len(form) for form in forms]), starts, side="right").astype(np.uint64)
    found = distinct(owners << HIGH | hashes >> HIGH)
    return (found & LOW).astype(np.uint32), np.bincount((found >> HIGH).astype(np.int64), minlength=len(texts))


def sketch(hashes: Array, counts: Array) -> tuple[Array, Array]:
    """What is kept of `shingles` to compare texts by: up to 256 a text, the lowest hashes; how many each has."""
    rank = np.arange(len(hashes)) - np.repeat(np.cumsum(counts) - counts, counts)
    return hashes[rank < SKETCH], np.minimum(counts, SKETCH)


def keys(hashes: Array, counts: Array, rows: int) -> Array:
    """A 32-bit key for every band of every text's signature; shape (bands, texts)."""
    bands = PERMUTATIONS // rows
    signed = _signatures(hashes, counts)[:, : bands * rows].reshape(len(counts), bands, rows)
    return (signed.astype(np.uint64) @ random_odd(rows, "band")).T >> HIGH


def _signatures(hashes: Array, counts: Array) -> Array:
    from datasketch import MinHash

    # All hashes of a text are given as one value, an array, which is its own hash: one call instead of thousands.
    minhash = MinHash(PERMUTATIONS, hashfunc=lambda hashes: hashes)
    signed = np.empty((len(counts), PERMUTATIONS), np.uint32)
    for number, found in enumerate(np.split(hashes, np.cumsum(counts)[:-1])):
        minhash.clear()
        for start in range(0, len(found), SHINGLES_AT_ONCE):
            minhash.update_batch([found[start : start + SHINGLES_AT_ONCE]])
        signed[number] = minhash.hashvalues
    return signed


def neighbours(entries: Array) -> Iterator[Array]:
    """Pairs (position, earlier position) of a bucket, by how far apart they stand; entries are key and position."""
    same = entries >> HIGH
    for apart in range(1, BUCKET):
        later = np.flatnonzero(same[apart:] == same[:-apart]) + apart
        if not len(later):
            return
        yield np.stack((entries[later] & LOW, entries[later - apart] & LOW), axis=1).astype(np.int64)


def met(wanted: Array, entries: Array) -> Iterator[Array]:
    """Pairs (position of a wanted key, position of an entry of that key), at most 16 of each; `entries` ascend."""
    owners, start = np.arange(len(wanted)), np.searchsorted(entries, wanted >> HIGH << HIGH)
    for ahead in range(BUCKET):
        owners = owners[start[owners] + ahead < len(entries)]
        found = entries[start[owners] + ahead]
        same = found >> HIGH == wanted[owners] >> HIGH
        owners, found = owners[same], found[same]
        if not len(owners):
            return
        yield np.stack((wanted[owners] & LOW, found & LOW), axis=1).astype(np.int64)


def jaccard(left: Gather, right: Gather, pairs: Array) -> Array:
    """Similarity of each pair of positions."""
    blocks = (pairs[start : start + PAIRS_AT_ONCE] for start in range(0, len(pairs), PAIRS_AT_ONCE))
    return np.concatenate([np.empty(0), *(_similarity(left(b[:, 0]), right(b[:, 1])) for b in blocks)])


def _similarity(left: tuple[Array, Array], right: tuple[Array, Array]) -> Array:
    sizes = np.maximum(left[1], right[1])
    values = np.sort(np.concatenate((left[0], right[0])))
    shared, first = np.zeros(len(values), bool), np.ones(len(values), bool)
    shared[:-1] = values[1:] == values[:-1]
    first[1:] = ~shared[:-1]
    pair, shared = (values[first] >> HIGH).astype(np.int64), shared[first]
    rank = np.arange(len(pair)) - np.searchsorted(pair, pair)
    # What is kept of a longer text says nothing of the union beyond its lowest hashes.
    known = (rank < SKETCH) | (sizes < SKETCH)[pair]
    union = np.bincount(pair[known], minlength=len(sizes))
    return np.bincount(pair[known & shared], minlength=len(sizes)) / np.maximum(1, union)


def numbered(values: Array, sizes: Array) -> tuple[Array, Array]:
    """Sketches that stand one after the other, as `Gather` gives them."""
    return np.repeat(np.arange(len(sizes), dtype=np.uint64), sizes) << HIGH | values, sizes
