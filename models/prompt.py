"""Prompt: what a model is to continue, and what of it is lost when it is too long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Said(NamedTuple):
    """A turn of a dialog: who speaks ("system", "user" or "assistant"), and what."""

    role: str
    text: str


@dataclass(frozen=True, order=True)
class Prompt:
    """A text in three parts, in reading order `head`, `turns`, `tail`.

    Where there is no room for all of it the turns go first, whole and the oldest before the others; then the end of
    the head; and only a tail too long by itself loses its beginning. The last line, which asks for the answer, stays.
    A dialog is there as what was `said` too, for models that have a form of their own for it (models/chat.py).
    """

    tail: str
    head: str = ""
    turns: tuple[str, ...] = ()
    said: tuple[Said, ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts in reading order."""
        return (self.head, *self.turns, self.tail)

    @property
    def text(self) -> str:
        """The whole of it."""
        return "".join(self.parts)
