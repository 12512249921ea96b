"""Spans: which characters of a text are which tokens of a model, in whole words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from models.metrics import WORD
from models.tokenizer import decoded

# What decoders put where the bytes do not make a character yet.
UNFINISHED = "\ufffd"


@dataclass(frozen=True)
class Span:
    """The characters from `start` to before `end` of a text, and the positions of their tokens."""

    start: int
    end: int
    tokens: tuple[int, ...]


def in_words(text: str, pieces: Iterable[Span]) -> list[Span]:
    """Pieces in reading order, those of one word joined, without the blanks around them.

    A Han, kana or hangul character is a word, and so is a mark; what a tokenizer joins stays joined.
    """
    within = {place for word in re.finditer(WORD, text) for place in range(word.start() + 1, word.end())}
    words: list[Span] = []
    for piece in pieces:
        if words and (piece.start in within or piece.start < words[-1].end):
            words[-1] = _joined([words[-1], piece])
        else:
            words.append(piece)
    return [found for word in words if (found := _trimmed(text, word)).end > found.start]


def grouped(spans: Sequence[Span], size: int) -> list[Span]:
    """Neighbours joined, `size` of them at a time."""
    return [_joined(spans[start : start + size]) for start in range(0, len(spans), size)]


def of_decoded(tokenizer: Any, tokens: Sequence[int]) -> tuple[str, list[Span]]:
    """The text that tokens stand for, and its pieces: what each token, or several to a character, adds to it."""
    text, pieces, open_tokens = "", [], []
    for place in range(len(tokens)):
        open_tokens.append(place)
        known = decoded(tokenizer, tokens[: place + 1], clean_up_tokenization_spaces=False)
        if known.endswith(UNFINISHED) and place + 1 < len(tokens):
            continue
        if len(known) > len(text):
            pieces.append(Span(len(text), len(known), tuple(open_tokens)))
        text, open_tokens = known, []
    return text, pieces


def _joined(spans: Sequence[Span]) -> Span:
    return Span(spans[0].start, max(span.end for span in spans), tuple(chain.from_iterable(s.tokens for s in spans)))


def _trimmed(text: str, span: Span) -> Span:
    piece = text[span.start : span.end]
    left, right = len(piece) - len(piece.lstrip()), len(piece) - len(piece.rstrip())
    return Span(span.start + left, max(span.start + left, span.end - right), span.tokens)
