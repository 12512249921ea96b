"""Tokenised text in files that are mapped into memory: it need not fit there, and is made once for all tries."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, overload

import numpy as np

from models.checkpoint import sync
from models.masking import Words
from models.packing import Tokens

NUMBER, END = np.int32, np.int64  # of a token, a word (-1: none) or a piece; of a place among all tokens
TOKENS, WORDS, ENDS, ORDER = "tokens", "words", "ends", "order"


class TokenFile(Sequence[Tokens]):
    """Pieces of text in the order of learning, in which a piece may come again: 4 bytes a token, 8 with its words."""

    def __init__(self, folder: Path) -> None:
        names = [name for name in (TOKENS, WORDS) if (folder / name).is_file()]
        self._columns = [_mapped(folder / name, NUMBER) for name in names]
        self._ends, self._order = _mapped(folder / ENDS, END), _mapped(folder / ORDER, NUMBER)

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, place: int) -> Tokens: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Tokens]: ...

    def __getitem__(self, place: int | slice) -> Tokens | Sequence[Tokens]:
        if isinstance(place, slice):
            return [self[n] for n in range(len(self))[place]]
        piece = self._order[place]
        tokens, *words = (column[self._ends[piece] : self._ends[piece + 1]].tolist() for column in self._columns)
        return Words(tokens, *words) if words else tokens


def write(folder: Path, draw: Callable[[Callable[[Tokens], None]], Sequence[int]]) -> TokenFile:
    """Write a TokenFile of the pieces that `draw` hands to its argument, in the order of the numbers it returns.

    The folder has its name only when all of it has reached the disk.
    """
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    ends = [0]
    with ExitStack() as stack:
        files: dict[str, IO[bytes]] = {TOKENS: stack.enter_context((part / TOKENS).open("wb"))}

        def keep(piece: Tokens) -> None:
            files[TOKENS].write(np.asarray(piece, NUMBER).tobytes())
            if isinstance(piece, Words):
                if WORDS not in files:
                    files[WORDS] = stack.enter_context((part / WORDS).open("wb"))
                files[WORDS].write(np.asarray(piece.words, NUMBER).tobytes())
            ends.append(ends[-1] + len(piece))

        order = draw(keep)
    (part / ENDS).write_bytes(np.asarray(ends, END).tobytes())
    (part / ORDER).write_bytes(np.asarray(order, NUMBER).tobytes())
    for path in part.iterdir():
        sync(path)
    part.replace(folder)
    return TokenFile(folder)


def _mapped(path: Path, kind: Any) -> Any:
    """The numbers in a file; an empty one cannot be mapped."""
    return np.memmap(path, kind, "r") if path.stat().st_size else np.zeros(0, kind)
