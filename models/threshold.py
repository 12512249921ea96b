"""From which probability on a label is said: one threshold, chosen on rows that nothing was learned from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FILE = "threshold.json"


def best_threshold(rows: Sequence[Mapping[str, Any]], chances: Sequence[Mapping[str, float]]) -> float:
    """The one threshold for all labels at which micro-F1 over these rows is highest (Lipton et al. 2014).

    It lies in the middle between two probabilities; the higher of two that are equally good. A label that no
    probability is given for counts as missed at every threshold.
    """
    import numpy as np

    pairs = [
        (chance, label in row["labels"])
        for row, found in zip(rows, chances, strict=True)
        for label, chance in found.items()
    ]
    wanted = sum(len(row["labels"]) for row in rows)
    if not wanted:
        return 0.5
    scores, right = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    order = np.argsort(-scores, kind="stable")
    scores, hits = scores[order], np.cumsum(right[order])
    f1 = 2 * hits / (np.arange(1, len(scores) + 1) + wanted)
    # A threshold cannot part two equal probabilities.
    below = np.append(scores[1:], 0.0)
    last = int(np.argmax(np.where(below < scores, f1, -1.0)))
    return float((scores[last] + below[last]) / 2)


def write_threshold(threshold: float, folder: Path) -> None:
    """Lay a threshold beside the weights of a model."""
    (folder / FILE).write_text(json.dumps({"threshold": threshold}), encoding="utf-8")


def read_threshold(folder: Path) -> float:
    """The threshold of a model folder. Raises ValueError when it has none."""
    path = folder / FILE
    if not path.is_file():
        raise ValueError(f"{folder} has no {FILE}: it is not a model that answers with several labels")
    return float(json.loads(path.read_text(encoding="utf-8"))["threshold"])
