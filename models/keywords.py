"""Answers found by the words that they share with the question: BM25, which any search engine has."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from models.metrics import is_cjk
from models.words import jieba_tokenizer

if TYPE_CHECKING:
    from models.predict import Progress
    from models.ranking import Scorer, Scores

WORD = re.compile(r"\w+")


def bm25(pool: Sequence[str], progress: Progress | None = None) -> Scorer:
    """BM25 as Lucene has it, k1 1.5 and b 0.75 (Robertson and Zaragoza 2009), over a pool of answers."""
    import bm25s
    import numpy as np

    words, read = splitter(), []
    for text in pool:
        # A pool without any word has no index; a text without one has no length, by which lengths are divided.
        read.append(words(text) or [""])
        if progress:
            progress(len(read), len(pool))
    index = bm25s.BM25()
    index.index(read, show_progress=False)

    def scores(question: str) -> Scores:
        known = index.get_tokens_ids(words(question))
        return index.get_scores_from_ids(known) if len(known) else np.zeros(len(pool), np.float32)

    return lambda questions: np.stack([scores(question) for question in questions])


def splitter() -> Callable[[str], list[str]]:
    """A function that cuts a text into words in lower case: as jieba does where there is any Chinese in it."""
    chinese = jieba_tokenizer()

    def words(text: str) -> list[str]:
        lower = text.lower()
        if any(map(is_cjk, lower)):
            return [word for word in chinese.cut(lower) if WORD.search(word)]
        return WORD.findall(lower)

    return words
