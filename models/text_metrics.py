"""What a written text is worth beside the texts that a person wrote: one row of numbers for each example.

Each function takes the sources, the references (one or more of each) and the answers, and returns what must be kept
of each example so that the metric of any resample is a sum away. Chinese is counted by character, as everywhere here.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

from models.metrics import Words, is_cjk

References = Sequence[Sequence[str]]


def rouge(_: Sequence[str], references: References, answers: Sequence[str]) -> list[dict[str, float]]:
    """ROUGE-1, ROUGE-2 and ROUGE-L F1 (Lin 2004) with the reference that is most alike."""
    from rouge_score.rouge_scorer import RougeScorer

    names = {"rouge1": "rouge_1", "rouge2": "rouge_2", "rougeL": "rouge_l"}
    scorer = RougeScorer(list(names), tokenizer=Words())
    found = []
    for texts, answer in zip(references, answers, strict=True):
        scores = [scorer.score(text, answer) for text in texts]
        found.append({ours: max(score[theirs].fmeasure for score in scores) for theirs, ours in names.items()})
    return found


def chrf(_: Sequence[str], references: References, answers: Sequence[str]) -> list[dict[str, float]]:
    """ChrF of each sentence (Popović 2015, as sacreBLEU counts it), from 0 to 100."""
    from sacrebleu.metrics.chrf import CHRF

    metric = CHRF()
    return [
        {"chrf": metric.sentence_score(answer, list(texts)).score}
        for texts, answer in zip(references, answers, strict=True)
    ]


def bleu(_: Sequence[str], references: References, answers: Sequence[str]) -> list[dict[str, list[int]]]:
    """What BLEU is summed from (Papineni et al. 2002, Post 2018): matches and n-grams of four orders, both lengths."""
    from sacrebleu.metrics.bleu import BLEU

    metrics = {is_zh: BLEU(tokenize="zh" if is_zh else "13a", effective_order=True) for is_zh in (False, True)}
    found = []
    for texts, answer in zip(references, answers, strict=True):
        score = metrics[any(map(is_cjk, texts[0]))].sentence_score(answer, list(texts))
        found.append({"bleu": [*score.counts, *score.totals, score.sys_len, score.ref_len]})
    return found


def ter(_: Sequence[str], references: References, answers: Sequence[str]) -> list[dict[str, list[float]]]:
    """What TER is summed from (Snover et al. 2006, as sacreBLEU counts it): edits and shifts, reference words."""
    from sacrebleu.metrics.ter import TER

    metrics = {is_zh: TER(normalized=is_zh, asian_support=is_zh) for is_zh in (False, True)}
    found = []
    for texts, answer in zip(references, answers, strict=True):
        score = metrics[any(map(is_cjk, texts[0]))].sentence_score(answer, list(texts))
        found.append({"ter": [score.num_edits, score.ref_length]})
    return found


def edits(sources: Sequence[str], references: References, answers: Sequence[str]) -> list[dict[str, list[int]]]:
    """What F0.5 of edits is summed from: edits made that were right, edits made, edits asked for.

    An edit is a span of words (of characters in Chinese) of the source and what replaces it, as difflib aligns them;
    of several references the one counts that agrees most, as in the MaxMatch scorer (Dahlmeier and Ng 2012).
    """
    words = Words()
    found = []
    for source, texts, answer in zip(sources, references, answers, strict=True):
        before, made = words.exactly(source), _edits(words.exactly(source), words.exactly(answer))
        options = [(made & wanted, made, wanted) for wanted in (_edits(before, words.exactly(t)) for t in texts)]
        best = max(options, key=lambda option: (_f_half(*map(len, option)), -len(option[2])))
        found.append({"edit_f05": [len(part) for part in best]})
    return found


def share_found(answer: str, texts: Sequence[str]) -> float:
    """Share of an answer's words that occur in any of the texts; 0 for an answer without words."""
    words = Words()
    known = {word for text in texts for word in words.tokenize(text)}
    said = words.tokenize(answer)
    return sum(word in known for word in said) / max(1, len(said))


def _edits(before: Sequence[str], after: Sequence[str]) -> set[tuple[Any, ...]]:
    matched = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return {(start, end, tuple(after[a:b])) for kind, start, end, a, b in matched if kind != "equal"}


def _f_half(right: int, made: int, wanted: int) -> float:
    """F0.5: precision counts twice as much as recall. Nothing to do and nothing done is 1."""
    return 1.25 * right / (made + 0.25 * wanted) if made or wanted else 1.0
