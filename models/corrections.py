"""What a rewritten text is worth that is judged by what it kept of its source, took out and put in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from models.metrics import Words

Grams = Counter[tuple[str, ...]]
ORDERS = (1, 2, 3, 4)


def gleu(
    sources: Sequence[str], references: Sequence[Sequence[str]], answers: Sequence[str]
) -> list[dict[str, list[float]]]:
    """What GLEU is summed from (Napoles et al. 2015, without tuning 2016): both lengths, matches and n-grams by order.

    A match is an n-gram of the reference; one of the source that the reference has not counts against it. The mean over
    the references stands for the 500 random choices of one for each sentence that JFLEG's own scorer averages.
    """
    words = Words()
    found = []
    for source, texts, answer in zip(sources, references, answers, strict=True):
        before, after = words.exactly(source), words.exactly(answer)
        options = [_gleu_counts(before, words.exactly(text), after) for text in texts]
        found.append({"gleu": [sum(column) / len(options) for column in zip(*options, strict=True)]})
    return found


def _gleu_counts(before: Sequence[str], reference: Sequence[str], after: Sequence[str]) -> list[int]:
    counts = [len(after), len(reference)]
    for order in ORDERS:
        source, right, made = (_grams(words, order) for words in (before, reference, after))
        left = Counter({gram: number for gram, number in source.items() if gram not in right})
        counts.append(max(0, (made & right).total() - (made & left).total()))
        counts.append(max(0, len(after) + 1 - order))
    return counts


def sari(sources: Sequence[str], references: Sequence[Sequence[str]], answers: Sequence[str]) -> list[dict[str, float]]:
    """SARI of each text (Xu et al. 2016), 0 to 100: how well it kept, took out and put in words, in lower case."""
    words = Words()

    def score(source: str, texts: Sequence[str], answer: str) -> float:
        before, after, *wanted = (words.exactly(text.lower()) for text in (source, answer, *texts))
        parts = [_sari_parts(_grams(before, n), _grams(after, n), [_grams(text, n) for text in wanted]) for n in ORDERS]
        return 100 * sum(map(sum, parts)) / (3 * len(ORDERS))

    return [{"sari": score(*found)} for found in zip(sources, references, answers, strict=True)]


def _sari_parts(source: Grams, answer: Grams, references: Sequence[Grams]) -> tuple[float, float, float]:
    """F1 of what was kept, precision of what was taken out, F1 of what was put in; nothing of nothing is 1.

    Each reference votes: source and answer count as often as there are references.
    """
    votes = sum(references, Counter[tuple[str, ...]]())
    before, after = (Counter({gram: n * len(references) for gram, n in found.items()}) for found in (source, answer))
    kept, gone = before & after, before - after
    right, wanted = kept & votes, before & votes
    keep = _f1(_mean(right, kept), right.total() / wanted.total() if wanted else 1.0)
    delete = _mean(gone - votes, gone)
    new, asked = set(answer) - set(source), set(votes) - set(source)
    add = _f1(len(new & asked) / len(new) if new else 1.0, len(new & asked) / len(asked) if asked else 1.0)
    return keep, delete, add


def _mean(part: Grams, whole: Grams) -> float:
    return sum(part[gram] / number for gram, number in whole.items()) / len(whole) if whole else 1.0


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _grams(words: Sequence[str], order: int) -> Grams:
    return Counter(tuple(words[start : start + order]) for start in range(len(words) - order + 1))
