"""Label texts and pairs of texts with a fine-tuned encoder or decoder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch  # noqa: TID253 - this module is itself imported lazily

from models.encoding import encode_texts
from models.precision import autocast
from models.text_state import text_state

if TYPE_CHECKING:
    from numpy.typing import NDArray

Texts = tuple[str, ...]  # one text, or two
# Takes the size of what is done and of all.
Progress = Callable[[int, int], None]

BATCH = 64
# How transformers' configurations name a classifier any number of whose labels may be true of a text.
SEVERAL = "multi_label_classification"


def classify(
    model: Any, tokenizer: Any, rows: Sequence[Texts], progress: Progress | None = None
) -> list[dict[str, float]]:
    """Probability of every label for each row, in the order of `rows`.

    They sum to one, except where several labels may be true of a row: then each is a chance of its own.
    Each distinct row is read once, in batches made of the sorted texts: its answer does not depend on the order
    it came in. Texts are cut at the tokenizer's `model_max_length`, the longer of the two first.
    """
    labels = [model.config.id2label[n] for n in range(model.config.num_labels)]
    several = model.config.problem_type == SEVERAL

    def chances(batch: Sequence[Texts]) -> list[dict[str, float]]:
        found = _logits(model, tokenizer, batch)
        rows = (found.sigmoid() if several else found.softmax(-1)).tolist()
        return [dict(zip(labels, row, strict=True)) for row in rows]

    return each_once(rows, chances, progress, rows_at_once(model))


def logits(model: Any, tokenizer: Any, rows: Sequence[Texts], progress: Progress | None = None) -> torch.Tensor:
    """What a classifier says of each row, before it becomes chances: fp32, shape (rows, labels), on the CPU."""
    return torch.stack(each_once(rows, lambda batch: list(_logits(model, tokenizer, batch).cpu()), progress))


def rows_at_once(model: Any, usual: int = BATCH) -> int:
    """How many rows a model is asked of at once: the usual number, unless it says another."""
    return int(getattr(model, "rows_at_once", usual))


def each_once(
    rows: Sequence[Texts],
    answer: Callable[[Sequence[Texts]], list[Any]],
    progress: Progress | None = None,
    size: int = BATCH,
) -> list[Any]:
    """The answer to each row, in the order of `rows`; rows that are alike are asked once, batches alike in length."""
    distinct = sorted(set(rows), key=lambda texts: (sum(map(len, texts)), texts))
    answers: dict[Texts, Any] = {}
    for start in range(0, len(distinct), size):
        batch = distinct[start : start + size]
        answers |= zip(batch, answer(batch), strict=True)
        if progress:
            progress(_size(answers), _size(distinct))
    return [answers[texts] for texts in rows]


def _size(rows: Iterable[Texts]) -> int:
    """Characters: they foretell the time, where the number of texts does not."""
    return sum(len(text) for texts in rows for text in texts)


def _logits(model: Any, tokenizer: Any, batch: Sequence[Texts]) -> torch.Tensor:
    encoded = tokenizer.pad(encode_texts(tokenizer, batch), return_tensors="pt").to(model.device)
    with torch.inference_mode(), autocast(model.device):
        found: torch.Tensor = model(**encoded).logits
    return found.float()


def embed(model: Any, tokenizer: Any, texts: Sequence[str], progress: Progress | None = None) -> NDArray[Any]:
    """The state of an encoder, or of a decoder without its head, that stands for each text; shape (texts, width)."""

    def states(batch: Sequence[Texts]) -> list[NDArray[Any]]:
        encoded = tokenizer([text for (text,) in batch], truncation=True, padding=True, return_tensors="pt")
        return list(_states(model, encoded.to(model.device)).cpu().numpy())

    return np.stack(each_once([(text,) for text in texts], states, progress, rows_at_once(model)))


def _states(model: Any, encoded: Any) -> torch.Tensor:
    """The state of each text; an exported encoder says nothing else."""
    with torch.inference_mode(), autocast(model.device):
        if hasattr(model, "graph"):
            return torch.as_tensor(model(**encoded).sentence_embedding)
        read = dict(encoded)
        return text_state(model, read.pop("attention_mask"), **read)
