"""How varied what a model writes is: over all of its answers, and within each. Chinese counts by character."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from functools import lru_cache

from models.metrics import Words, is_cjk

LONGEST = 4  # words in a row that are looked at for repetition
SAMPLE, SEED = 100, 7  # answers that self-BLEU compares with each other; the time goes with the square


def measured(answers: Sequence[str]) -> dict[str, float]:
    """distinct_1, distinct_2 and self_bleu of all answers together.

    They have no interval: a resample draws answers twice, and what stands twice is what these count.
    """
    words = Words()
    split = [words.exactly(text.lower()) for text in answers]
    return {"distinct_1": distinct(split, 1), "distinct_2": distinct(split, 2), "self_bleu": self_bleu(tuple(answers))}


def distinct(answers: Iterable[Sequence[str]], order: int) -> float:
    """Different n-grams over all n-grams of all answers (Li et al. 2016); 0 where there are none."""
    grams = [gram for words in answers for gram in _grams(words, order)]
    return len(set(grams)) / max(1, len(grams))


@lru_cache(maxsize=16)
def self_bleu(answers: tuple[str, ...]) -> float:
    """Mean BLEU of an answer with the others as its references (Zhu et al. 2018), 0 to 100: high is monotonous.

    Of more than SAMPLE answers as many are drawn, the same ones each time.
    """
    from sacrebleu.metrics.bleu import BLEU

    chosen = random.Random(SEED).sample(answers, SAMPLE) if len(answers) > SAMPLE else list(answers)  # noqa: S311
    if len(chosen) < 2:
        return 0.0
    metrics = {is_zh: BLEU(tokenize="zh" if is_zh else "13a", effective_order=True) for is_zh in (False, True)}
    scores = [
        metrics[any(map(is_cjk, text))].sentence_score(text, chosen[:place] + chosen[place + 1 :]).score
        for place, text in enumerate(chosen)
    ]
    return sum(scores) / len(scores)


def repetition(_: Sequence[str], __: Sequence[Sequence[str]], answers: Sequence[str]) -> list[dict[str, float]]:
    """Share of each answer's runs of four words that stood in it before (Welleck et al. 2020); 0 for a shorter one."""
    words = Words()
    found = []
    for answer in answers:
        grams = _grams(words.exactly(answer.lower()), LONGEST)
        found.append({"repetition": 1 - len(set(grams)) / len(grams) if grams else 0.0})
    return found


def _grams(words: Sequence[str], order: int) -> list[tuple[str, ...]]:
    return [tuple(words[start : start + order]) for start in range(len(words) - order + 1)]
