"""Which tokens are masked is decided by seed and place, whatever ran before."""

import random

from models.masking import Vocabulary, masked
from models.packing import IGNORED

VOCABULARY = Vocabulary(size=1000, mask=4, special=frozenset({0, 1, 2, 3, 4}))
TOKENS = [2, *range(100, 200), 3]


def test_the_same_key_masks_the_same_tokens():
    first = masked(TOKENS, VOCABULARY, 0.15, (7, 0, 12))
    random.random()
    assert masked(TOKENS, VOCABULARY, 0.15, (7, 0, 12)) == first
    others = [(8, 0, 12), (7, 1, 12), (7, 0, 13)]
    assert all(masked(TOKENS, VOCABULARY, 0.15, key) != first for key in others)


def test_the_share_is_kept_and_special_tokens_are_left():
    inputs, labels = masked(TOKENS, VOCABULARY, 0.15, (1,))
    places = [place for place, label in enumerate(labels) if label != IGNORED]
    assert len(places) == 15
    assert all(labels[place] == TOKENS[place] for place in places)
    assert (inputs[0], inputs[-1]) == (2, 3)
    assert all(inputs[place] == TOKENS[place] for place in set(range(len(TOKENS))) - set(places))


def test_four_fifths_become_the_mask():
    rows = [masked(TOKENS, VOCABULARY, 0.5, (n,)) for n in range(200)]
    shown = [i for inputs, labels in rows for i, label in zip(inputs, labels, strict=True) if label != IGNORED]
    assert 0.78 < shown.count(VOCABULARY.mask) / len(shown) < 0.82


def test_a_short_text_gives_at_least_one_token_to_guess():
    assert sum(label != IGNORED for label in masked([2, 100, 3], VOCABULARY, 0.15, (1,))[1]) == 1
