"""Whole words, or spans of them, are masked together, in Chinese and in English; tokens alone as they always were."""

from typing import Any

import numpy as np
import pytest

from models.masking import Vocabulary, Words, by_span, by_word, masked
from models.objectives import drawn, masked_plan, tokenise, tokenise_words
from models.packing import IGNORED
from models.scratch import encoder_tokenizer
from models.words import beginnings, word_numbers
from tests import toy_models

LAW = "中华人民共和国刑法规定明文规定为犯罪行为的依照法律定罪处刑。"
VOCABULARY = Vocabulary(size=1000, mask=4, special=frozenset({0, 1, 2, 3, 4}))
# Ten words of one token, then of two, and so on to four.
LENGTHS = [length for length in (1, 2, 3, 4) for _ in range(10)]
NUMBERS = [number for number, length in enumerate(LENGTHS) for _ in range(length)]
TEXT = Words([2, *range(100, 100 + len(NUMBERS)), 3], [-1, *NUMBERS, -1])


def guessed(labels: list[int]) -> list[int]:
    return [place for place, label in enumerate(labels) if label != IGNORED]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return encoder_tokenizer([LAW, *toy_models.TEXTS], 400, 128)


def test_tokens_alone_are_masked_as_they_always_were():
    inputs, labels = masked([2, *range(100, 200), 3], VOCABULARY, 0.15, (7, 0, 12))
    assert guessed(labels) == [3, 12, 16, 17, 18, 26, 32, 40, 51, 64, 69, 91, 92, 96, 98]
    assert [inputs[place] for place in (3, 16, 69, 92)] == [4, 115, 521, 679]


def test_chinese_words_begin_where_jieba_says_and_english_ones_after_what_is_no_letter():
    starts = sorted(beginnings(LAW[:9]))
    assert [LAW[a:b] for a, b in zip(starts, [*starts[1:], 9], strict=True)] == ["中华人民共和国", "刑法"]
    assert sorted(beginnings("a re-run")) == [0, 1, 2, 4, 5]


def test_bytes_of_a_character_stay_together_and_a_token_over_two_words_makes_one_of_them():
    # The first character in three tokens; then one that reaches from the first word into the second.
    assert word_numbers("中华人民共和国刑法", [(0, 1), (0, 1), (0, 1), (1, 6), (6, 8), (8, 9)]) == [1, 1, 1, 1, 1, 1]
    assert word_numbers("中华人民共和国刑法", [(0, 7), (7, 8), (8, 9)]) == [1, 2, 2]
    assert word_numbers("a table", [(0, 1), (1, 3), (3, 7)]) == [1, 2, 2]


def test_pieces_know_their_words_and_are_else_those_of_plain_tokenisation(tokenizer):
    texts = [LAW * 3, *toy_models.TEXTS]
    plain, known = (cut(tokenizer, texts, 32) for cut in (tokenise, tokenise_words))
    assert known == plain
    assert all(len(piece.words) == len(piece) <= 32 for piece in known)
    drawn(tokenizer, texts, 32, 200, 1, (kept := []).append, tokenise_words)
    drawn(tokenizer, texts, 32, 200, 1, (unknown := []).append)
    assert kept == unknown
    text = tokenizer("Deletes the table.", add_special_tokens=False)
    piece = tokenise_words(tokenizer, ["Deletes the table."], 32)[0]
    joined: dict[int, str] = {}
    for token, word in zip(text.tokens(), piece.words[1:-1], strict=True):
        joined[word] = joined.get(word, "") + token
    assert list(joined.values()) == ["Deletes", "Ġthe", "Ġtable", "."]


@pytest.mark.parametrize("masking", ["whole_word", "span"])
def test_a_word_is_guessed_whole_or_not_at_all_and_the_share_is_kept(masking):
    for key in range(50):
        places = guessed(masked(TEXT, VOCABULARY, 0.15, (key,), masking)[1])
        words = {TEXT.words[place] for place in places}
        assert -1 not in words
        assert places == [place for place, word in enumerate(TEXT.words) if word in words]
        assert 12 <= len(places) <= 15


def test_a_text_of_one_long_word_is_guessed_whole():
    text = Words([2, *range(100, 110), 3], [-1, *[1] * 10, -1])
    for masking in ("whole_word", "span"):
        assert guessed(masked(text, VOCABULARY, 0.15, (1,), masking)[1]) == list(range(1, 11))


def test_spans_have_the_lengths_of_spanbert_and_are_masked_as_one():
    text = Words(range(100, 10_100), range(10_000))
    spans = by_span(text, frozenset(), 0.15, np.random.default_rng((1,)))
    # Spans that meet another one, or the end of the share, are shorter: the mean would be 3.8 without that.
    assert 3.4 < np.mean([len(span) for span in spans]) < 3.8
    assert {len(span) for span in spans} == set(range(1, 11))
    inputs, _ = masked(text, Vocabulary(20_000, 4, frozenset()), 0.15, (1,), "span")
    fates = [{(inputs[place] == 4, inputs[place] == text[place]) for place in span} for span in spans]
    assert all(len(fate) == 1 for fate in fates)
    assert set.union(*fates) == {(True, False), (False, False), (False, True)}


def test_every_word_is_as_likely_as_another_and_each_of_its_tokens_is_decided_apart():
    text = Words(range(100, 300), [n // 2 for n in range(200)])
    counts = np.zeros(200)
    for key in range(300):
        for run in by_word(text, frozenset(), 0.15, np.random.default_rng(key)):
            counts[run] += 1
    assert counts.mean() / 300 == pytest.approx(0.15)
    assert counts.std() < 2 * np.sqrt(300 * 0.15 * 0.85)
    mixed = [masked(text, VOCABULARY, 0.15, (key,), "whole_word") for key in range(20)]
    fates = [[inputs[p] == VOCABULARY.mask for p in guessed(labels)] for inputs, labels in mixed]
    assert any(a != b for fate in fates for a, b in zip(fate[::2], fate[1::2], strict=True))


def test_a_plan_masks_words_the_same_way_every_time(tokenizer):
    documents = tokenise_words(tokenizer, [LAW * 3, "Describes unheard-of parallelograms everywhere. " * 5], 64)

    def labels(masking: str) -> list[Any]:
        plan = masked_plan(tokenizer, documents, 0.15, 4096, 1, masking)
        return [batch["labels"].tolist() for batch in plan]

    assert labels("whole_word") == labels("whole_word")
    assert len({str(labels(masking)) for masking in ("token", "whole_word", "span")}) == 3
