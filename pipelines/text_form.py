"""The form in which texts are compared: without what hides a copy, in words, and cut into hashed windows."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from models.metrics import WORD

if TYPE_CHECKING:
    from numpy.typing import NDArray


def plain(text: str) -> str:
    """A text without what hides a copy: case, width, white space and invisible characters."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    # Printable text holds no invisible character; most is, and need not be looked through.
    if not (folded.isascii() or folded.isprintable()):
        folded = "".join(c for c in folded if unicodedata.category(c) != "Cf")
    return " ".join(folded.split())


def spaced(text: str) -> str:
    """The words of a text in plain form, a space on either side of each; a Han, kana or hangul character is a word.

    A text without a word ("?!") is taken as it is; one of nothing visible is empty.
    """
    folded = plain(text)
    words = " ".join(re.findall(WORD, folded)) or folded
    return f" {words} " if words else ""


def windows(forms: Sequence[str], size: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Hash and start (in the joined forms) of every run of `size` characters that lies within one of `forms`.

    The hash is multilinear: a sum of code points times fixed random odd 64-bit numbers. Two different windows share its
    upper 32 bits with probability 2^-32 (Lemire and Kaser 2014, "Strongly universal string hashing is fast"), and all
    64 with about 2^-64. It is the same on every machine.
    """
    codes = np.frombuffer("".join(forms).encode("utf-32-le"), "<u4").astype(np.uint64)
    if len(codes) < size:
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    factors = random_odd(size, f"windows of {size}")
    hashes = np.lib.stride_tricks.sliding_window_view(codes, size) @ factors
    starts = np.arange(len(hashes))
    lengths = [len(form) for form in forms]
    whole = starts + size <= np.repeat(np.cumsum(lengths), lengths)[: len(hashes)]
    return hashes[whole], starts[whole]


def distinct(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The different values, ascending; sorts `values` in place. Four times as fast as numpy's own, which hashes."""
    values.sort()
    first = np.ones(len(values), bool)
    first[1:] = values[1:] != values[:-1]
    return values[first]


def chunks(texts: Iterable[str], count: int = 2_000, characters: int = 500_000) -> Iterator[list[str]]:
    """Texts in lists of at most `count`, closed early once they hold so many characters."""
    chunk, held = [], 0
    for text in texts:
        chunk.append(text)
        held += len(text)
        if len(chunk) == count or held > characters:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


def random_odd(count: int, name: str) -> NDArray[np.uint64]:
    """Fixed random odd 64-bit numbers, others for every name."""
    drawn = hashlib.shake_256(name.encode()).digest(8 * count)
    return np.frombuffer(drawn, "<u8").astype(np.uint64) | np.uint64(1)
