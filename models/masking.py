"""Which tokens a masked language model must guess: decided by seed and example alone, never by what ran before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.packing import IGNORED


@dataclass(frozen=True)
class Vocabulary:
    """What masking must know of a tokenizer: its size, the mask, and the tokens that are never to be guessed."""

    size: int
    mask: int
    special: frozenset[int]


def vocabulary_of(tokenizer: Any) -> Vocabulary:
    """The vocabulary of a tokenizer that has a mask token."""
    return Vocabulary(len(tokenizer), tokenizer.mask_token_id, frozenset(tokenizer.all_special_ids))


def masked(
    tokens: Sequence[int], vocabulary: Vocabulary, share: float, key: tuple[int, ...]
) -> tuple[list[int], list[int]]:
    """Inputs and labels of one text: `share` of its tokens, at least one, are to be guessed.

    Of these 80 % are replaced by the mask, 10 % by a random token, 10 % are left (Devlin et al. 2019, section 3.1).
    `key`, such as (seed, epoch, example), decides everything.
    """
    random = np.random.default_rng(key)
    inputs, labels = list(tokens), [IGNORED] * len(tokens)
    for place in chosen(tokens, vocabulary.special, share, random):
        labels[place] = inputs[place]
        roll = random.random()
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
