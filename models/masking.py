"""Which tokens a masked language model must guess: decided by seed and example alone, never by what ran before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from models.packing import IGNORED

# Places of a text that are masked together: what becomes of them is decided once.
Runs = list[list[int]]
# Of how many words a span is: one, or a geometric number with p = 0.2 of at most 10 (Joshi et al. 2020, section 3.1).
ONE = np.ones(1)
GEOMETRIC = 0.2 * 0.8 ** np.arange(10)


@dataclass(frozen=True)
class Vocabulary:
    """What masking must know of a tokenizer: its size, the mask, and the tokens that are never to be guessed."""

    size: int
    mask: int
    special: frozenset[int]


def vocabulary_of(tokenizer: Any) -> Vocabulary:
    """The vocabulary of a tokenizer that has a mask token."""
    return Vocabulary(len(tokenizer), tokenizer.mask_token_id, frozenset(tokenizer.all_special_ids))


class Words(list[int]):
    """The tokens of a piece of text, which also know the `words` that they are parts of: a number for each token."""

    def __init__(self, tokens: Sequence[int], words: Sequence[int]) -> None:
        super().__init__(tokens)
        self.words = words


def masked(
    tokens: Sequence[int], vocabulary: Vocabulary, share: float, key: tuple[int, ...], masking: str = "token"
) -> tuple[list[int], list[int]]:
    """Inputs and labels of one text: `share` of its tokens, at least one, are to be guessed.

    Of these 80 % are replaced by the mask, 10 % by a random token, 10 % are left (Devlin et al. 2019, section 3.1).
    `key`, such as (seed, epoch, example), decides everything. `masking` is one of MASKING; all but "token" need Words.
    """
    random = np.random.default_rng(key)
    inputs, labels = list(tokens), [IGNORED] * len(tokens)
    for run in MASKING[masking](tokens, vocabulary.special, share, random):
        roll = random.random()
        for place in run:
            labels[place] = inputs[place]
            if roll < 0.8:
                inputs[place] = vocabulary.mask
            elif roll < 0.9:
                inputs[place] = int(random.random() * vocabulary.size)
    return inputs, labels


def chosen(tokens: Sequence[int], special: frozenset[int], share: float, random: np.random.Generator) -> list[int]:
    """Places of the tokens to guess, in order: `share` of those that are not special, rounded, at least one."""
    places = [place for place, token in enumerate(tokens) if token not in special]
    count = min(len(places), max(1, round(share * len(places))))
    return sorted(places[n] for n in np.argsort(random.random(len(places)), kind="stable")[:count])


def by_token(tokens: Sequence[int], special: frozenset[int], share: float, random: np.random.Generator) -> Runs:
    """Tokens wherever they stand (Devlin et al. 2019)."""
    return [[place] for place in chosen(tokens, special, share, random)]


def by_word(tokens: Words, special: frozenset[int], share: float, random: np.random.Generator) -> Runs:
    """All tokens of a word, or none; what becomes of each is decided apart (whole-word masking, Cui et al. 2019)."""
    return [[place] for span in _spans(tokens, special, share, random, ONE) for place in span]


def by_span(tokens: Words, special: frozenset[int], share: float, random: np.random.Generator) -> Runs:
    """Runs of whole words, each masked, replaced or left as one (Joshi et al. 2020, without its second objective)."""
    return _spans(tokens, special, share, random, GEOMETRIC)


MASKING: dict[str, Callable[[Any, frozenset[int], float, np.random.Generator], Runs]] = {
    "token": by_token,
    "whole_word": by_word,
    "span": by_span,
}


def _spans(
    tokens: Words, special: frozenset[int], share: float, random: np.random.Generator, lengths: np.ndarray[Any, Any]
) -> Runs:
    """Spans that do not overlap, in order, begun at random words; they end before a word that exceeds the share.

    `lengths` weighs spans of 1, 2, ... words. The first word is taken even where it exceeds the share alone.
    """
    words = _words(tokens, special)
    left = max(1, round(share * sum(map(len, words))))
    taken: set[int] = set()
    spans: Runs = []
    for first in np.argsort(random.random(len(words)), kind="stable"):
        span: list[int] = []
        length = 1 + int(random.choice(len(lengths), p=lengths / lengths.sum()))
        for number in range(first, min(first + length, len(words))):
            if number in taken or (len(words[number]) > left and taken):
                break
            taken.add(number)
            span += words[number]
            left -= len(words[number])
        spans += [span] if span else []
        if left <= 0:
            break
    return sorted(spans)


def _words(tokens: Words, special: frozenset[int]) -> Runs:
    """The places of each word, in order, without tokens that are never to be guessed."""
    places = [place for place, token in enumerate(tokens) if token not in special]
    return [list(word) for _, word in groupby(places, key=lambda place: tokens.words[place])]
