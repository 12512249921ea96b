"""Which texts to have labelled next: those that a classifier is unsure of, and that are unlike each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

# So many times as many texts as are wanted are looked at for how unlike they are: the least sure ones.
CANDIDATES = 10
# Squared distances below this are rounding.
ALIKE = 1e-9


def entropy(chances: Mapping[str, float]) -> float:
    """How evenly a model's probabilities lie over the labels: Shannon's entropy as a share of the most there can be."""
    values = [p for p in chances.values() if p > 0]
    return float(-sum(p * np.log(p) for p in values) / np.log(len(chances))) if len(chances) > 1 else 0.0


def margin(chances: Mapping[str, float]) -> float:
    """How near the second label is to the first: 1 where they are as likely, 0 where only one is."""
    first, second = sorted([*chances.values(), 0.0], reverse=True)[:2]
    return 1 - (first - second)


UNCERTAINTY = {"entropy": entropy, "margin": margin}


def least_sure(unsure: Sequence[float], count: int) -> list[int]:
    """Positions of the `CANDIDATES * count` texts that the model is least sure of, the least sure first."""
    return [int(n) for n in np.argsort(-np.asarray(unsure, dtype=float), kind="stable")[: CANDIDATES * count]]


def chosen(unsure: Sequence[float], vectors: Array, count: int, seed: int) -> list[int]:
    """Positions of `count` texts: the least sure one first, each other unsure and unlike those before it.

    Each is drawn by the square of its distance to the nearest one that is chosen, times how unsure it is: k-means++
    (Arthur and Vassilvitskii 2007) with the weights of Zhdanov 2019, "Diverse mini-batch Active Learning". `vectors`
    has shape (texts, width), and their length does not count; where all are alike, the first ones come in order. The
    same seed draws the same.
    """
    points = np.asarray(vectors, dtype=float)
    points = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    weights = np.maximum(np.asarray(unsure, dtype=float), 1e-9)
    draw, left = np.random.default_rng(seed), np.ones(len(points), bool)
    found, away = [int(np.argmax(weights))], np.full(len(points), np.inf)
    while True:
        left[found[-1]] = False
        if len(found) == min(count, len(points)):
            return found
        away = np.minimum(away, ((points - points[found[-1]]) ** 2).sum(1))
        share = np.where(left & (away > ALIKE), away * weights, 0.0)
        total = share.sum()
        found.append(int(draw.choice(len(points), p=share / total) if total else np.argmax(left)))


def states(model: Any, tokenizer: Any, rows: Sequence[tuple[str, ...]]) -> Array:
    """What a classifier's backbone makes of each text, or pair: one state, shape (rows, width)."""
    import torch

    from models.encoding import encode_texts
    from models.precision import autocast
    from models.predict import each_once
    from models.text_state import text_state

    def read(batch: Sequence[tuple[str, ...]]) -> list[Array]:
        encoded = tokenizer.pad(encode_texts(tokenizer, batch), return_tensors="pt")
        inputs = {name: encoded[name].to(model.device) for name in ("input_ids", "attention_mask")}
        with torch.inference_mode(), autocast(model.device):
            found = text_state(model.base_model, inputs["attention_mask"], input_ids=inputs["input_ids"])
        return list(found.cpu().numpy())

    return np.stack(each_once(rows, read))
