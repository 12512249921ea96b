"""Classify pairs of texts with a fine-tuned encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily

from models.encoding import encode_pairs
from models.precision import autocast

Pair = tuple[str, str]
Progress = Callable[[int, int], None]

BATCH = 64


def classify(
    model: Any, tokenizer: Any, pairs: Sequence[Pair], progress: Progress | None = None
) -> list[dict[str, float]]:
    """Probability of every label for each pair, in the order of `pairs`.

    Each distinct pair is read once, in batches made of the sorted texts: a pair's answer does not depend on the order
    it came in. Texts are cut at the tokenizer's `model_max_length`, the longer of the two first.
    """
    distinct = sorted(set(pairs), key=lambda pair: (len(pair[0]) + len(pair[1]), pair))
    answers: dict[Pair, dict[str, float]] = {}
    for start in range(0, len(distinct), BATCH):
        batch = distinct[start : start + BATCH]
        answers |= zip(batch, _classify_batch(model, tokenizer, batch), strict=True)
        if progress:
            progress(len(answers), len(distinct))
    return [answers[pair] for pair in pairs]


def _classify_batch(model: Any, tokenizer: Any, batch: Sequence[Pair]) -> list[dict[str, float]]:
    encoded = tokenizer.pad(encode_pairs(tokenizer, batch), return_tensors="pt").to(model.device)
    with torch.inference_mode(), autocast(model.device):
        logits = model(**encoded).logits
    labels = [model.config.id2label[n] for n in range(model.config.num_labels)]
    return [dict(zip(labels, row, strict=True)) for row in logits.float().softmax(-1).tolist()]
