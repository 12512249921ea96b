"""Evaluation texts that stand within longer texts of a corpus, which similarity of whole texts cannot show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.text_form import chunks, distinct, spaced, windows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

WINDOW = 24  # characters in spaced form: four or five English words, or twelve Chinese characters
OWNERS = 64  # texts looked at that share one window
HIGH, LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
FEWEST, MOST = 20, 24  # bits of a hash that say where it is noted that a window is looked for


def contained(texts: Sequence[str], documents: Iterable[str], share: float = 0.8) -> list[tuple[int, int]]:
    """(position of a text, position of the first document that holds it), for every text that one document holds.

    A document holds a text when at least `share` of the text's characters (of `text_form.spaced`) lie in runs of 24 or
    more that stand in it word for word; Llama 2 measured contamination so (Touvron et al. 2023, A.6), in tokens. Texts
    of fewer than 24 characters are never found: so little may stand anywhere. Hashes have 64 bits, so that of 10^7
    windows of texts and 10^9 of documents 5 in 10,000 searches hold one pair that is taken for the same by chance.
    Takes 16 bytes for every character of `texts` in that form; documents stream by. Of texts that share a window 64 are
    looked at.
    """
    wanted = _Wanted(texts)
    found: dict[int, int] = {}
    before = 0
    for chunk in chunks(documents):
        for form, document in wanted.held(chunk, share):
            for text in wanted.copies[form]:
                found.setdefault(text, before + document)
        before += len(chunk)
    return sorted(found.items())


class _Wanted:
    """The windows of the texts looked for, by their hash."""

    def __init__(self, texts: Sequence[str]) -> None:
        positions: dict[str, list[int]] = {}
        for position, text in enumerate(texts):
            positions.setdefault(spaced(text), []).append(position)
        self.copies = list(positions.values())
        self.lengths = np.array([len(form) for form in positions], np.int64)
        self.ends = np.cumsum(self.lengths)
        hashes, starts = windows(list(positions), WINDOW)
        order = np.argsort(hashes, kind="stable")
        self.keys, self.starts = hashes[order], starts[order]
        # One look at most windows of a document shows that they are none of these; of 2 million an eighth is noted.
        bits = min(MOST, max(FEWEST, len(self.keys).bit_length() + 3))
        self.top = np.uint64(64 - bits)
        self.seen = np.zeros(1 << bits, bool)
        self.seen[self.keys >> self.top] = True

    def held(self, documents: Sequence[str], share: float) -> Iterator[tuple[int, int]]:
        """(text, document) for every text that one of `documents` holds, by document."""
        document, at = self._met(documents)
        text = np.searchsorted(self.ends, at, side="right")
        new = np.ones(len(at), bool)
        new[1:] = (text[1:] != text[:-1]) | (document[1:] != document[:-1])
        # A window covers what the next one of the same text and document does not.
        covers = np.full(len(at), WINDOW)
        covers[:-1][~new[1:]] = np.minimum(WINDOW, np.diff(at)[~new[1:]])
        first = np.flatnonzero(new)
        covered = np.add.reduceat(covers, first) if len(first) else covers
        whole = first[covered >= share * self.lengths[text[first]]]
        yield from zip(text[whole].tolist(), document[whole].tolist(), strict=True)

    def _met(self, documents: Sequence[str]) -> tuple[Array, Array]:
        """Where windows of the documents stand in the texts: documents and starts, ascending."""
        forms = [spaced(document) for document in documents]
        hashes, starts = windows(forms, WINDOW)
        probable = self.seen[hashes >> self.top]
        hashes, starts = hashes[probable], starts[probable]
        first = np.searchsorted(self.keys, hashes)
        owners = np.minimum(OWNERS, np.searchsorted(self.keys, hashes, side="right") - first)
        entries = np.arange(owners.sum()) + np.repeat(first - (np.cumsum(owners) - owners), owners)
        document = np.searchsorted(np.cumsum([len(form) for form in forms]), starts, side="right")
        met = distinct(np.repeat(document, owners).astype(np.uint64) << HIGH | self.starts[entries].astype(np.uint64))
        return (met >> HIGH).astype(np.int64), (met & LOW).astype(np.int64)
