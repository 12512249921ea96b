"""What a set of answers is worth: one number per function."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

HIGHER_IS_BETTER = {
    "accuracy": True,
    "f1": True,
    "auc": True,
    "micro_f1": True,
    "macro_f1": True,
    "subset_accuracy": True,
    "ece": False,
    "rouge_1": True,
    "rouge_2": True,
    "rouge_l": True,
    "bleu": True,
    "chrf": True,
    "edit_f05": True,
    "edit_precision": True,
    "edit_recall": True,
    "gleu": True,
    "sari": True,
    "ter": False,
    "bert_score": True,
    "distinct_1": True,
    "distinct_2": True,
    "self_bleu": False,
    "repetition": False,
    "attribute_success": True,
    "mrr": True,
    "recall_1": True,
    "recall_5": True,
    "ndcg_10": True,
    "hit_10": True,
    "grounding": True,
    "bits_per_byte": False,
    "bits_per_byte_domain_change": False,
    "bits_per_byte_general_change": False,
}

CALIBRATION_BINS = 10
# Words of alphabetic scripts; single characters of Han, kana and hangul, which are written without spaces.
RANGES = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
WORD = rf"[{RANGES}]|[^\W{RANGES}]+"
EXACT = re.compile(rf"{WORD}|[^\w\s]")
CJK = (("\u3040", "\u30ff"), ("\u3400", "\u9fff"), ("\uac00", "\ud7af"))  # kana, Han, hangul


def accuracy(truth: Sequence[str], answer: Sequence[str]) -> float:
    """Share of answers that are right."""
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(truth, answer))


def macro_f1(truth: Sequence[str], answer: Sequence[str]) -> float:
    """Mean over the labels of F1; a label that is never right counts as 0."""
    from sklearn.metrics import f1_score

    return float(f1_score(truth, answer, average="macro", zero_division=0))


def auc(positive: Sequence[bool], probability: Sequence[float]) -> float:
    """Area under the ROC curve; NaN when all examples have the same label."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(positive, probability)) if len(set(positive)) == 2 else float("nan")


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = CALIBRATION_BINS) -> float:
    """Mean distance between confidence and accuracy over equal-width bins, weighted by size (Guo et al. 2017)."""
    rows = calibration(confidence, correct, bins)
    total = sum(row["n"] for row in rows)
    return float(sum(row["n"] * abs(row["confidence"] - row["accuracy"]) for row in rows) / total)


def calibration(confidence: ArrayLike, correct: ArrayLike, bins: int = CALIBRATION_BINS) -> list[dict[str, Any]]:
    """One row {low, high, n, confidence, accuracy} for each bin of [0, 1] that holds an answer."""
    import numpy as np

    sure, right = np.asarray(confidence, float), np.asarray(correct, float)
    place = bin_of(sure, bins)
    return [
        {
            "low": number / bins,
            "high": (number + 1) / bins,
            "n": int((place == number).sum()),
            "confidence": float(sure[place == number].mean()),
            "accuracy": float(right[place == number].mean()),
        }
        for number in np.unique(place).tolist()
    ]


def bin_of(confidence: ArrayLike, bins: int = CALIBRATION_BINS) -> Any:
    """The number of the equal-width bin of [0, 1] that each confidence falls into; 1.0 is in the last."""
    import numpy as np

    return np.minimum((np.asarray(confidence, float) * bins).astype(int), bins - 1)


def bits_per_byte(bits: Sequence[float], size: Sequence[float]) -> float:
    """Bits per UTF-8 byte of all texts together: comparable between tokenizers, as perplexity is not."""
    return float(sum(bits) / sum(size))


class Words:
    """rouge-score's tokenizer for Latin text, single characters for CJK."""

    def __init__(self) -> None:
        from rouge_score.tokenizers import DefaultTokenizer

        self.latin = DefaultTokenizer(use_stemmer=True)

    def tokenize(self, text: str) -> list[str]:
        spaced = "".join(f"\n{c}\n" if is_cjk(c) else c for c in text)
        return [word for part in spaced.split("\n") for word in self._words(part)]

    def exactly(self, text: str) -> list[str]:
        """Words as they stand, with their case and what stands between them; characters where there are no spaces."""
        return EXACT.findall(text)

    def _words(self, part: str) -> list[str]:
        return [part] if is_cjk(part[:1]) else list(self.latin.tokenize(part))


def is_cjk(character: str) -> bool:
    """Whether a character is a Han ideograph, kana or hangul syllable."""
    return any(low <= character <= high for low, high in CJK)
