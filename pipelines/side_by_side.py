"""The examples on which two models differ most, side by side; whose answer is whose is not said to who judges."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from models.tasks.labels import certainty
from models.tasks.task import Prediction, Row, Task
from pipelines.answers import kind_of

MOST = 20
SIDES = ("candidate", "champion")


def differing(
    task: Task, rows: Sequence[Row], ours: Sequence[Prediction], theirs: Sequence[Prediction]
) -> list[dict[str, Any]]:
    """Up to 20 examples with the answers of both, those most unlike first; none that both answer alike."""
    gaps = unlikeness(task, ours, theirs)
    chosen = sorted((n for n, gap in enumerate(gaps) if gap > 0), key=lambda n: (-gaps[n], str(rows[n]["id"])))[:MOST]
    return [_beside(task, rows[n], ours[n], theirs[n]) for n in chosen]


def unlikeness(task: Task, ours: Sequence[Prediction], theirs: Sequence[Prediction]) -> list[float]:
    """How far the answers to each example lie apart; 0 when they are the same.

    Of labels and clicks how sure both models are of their different answers, of sets of labels how many only one has,
    of texts 1 less their chrF (Popović 2015).
    """
    pairs = [(one["prediction"], other["prediction"]) for one, other in zip(ours, theirs, strict=True)]
    if task.answer in {"label", "click"}:
        sure, _ = certainty([*ours, *theirs])
        both = sure[: len(pairs)] + sure[len(pairs) :]
        return [float(gap) if one != other else 0.0 for (one, other), gap in zip(pairs, both, strict=True)]
    if task.answer == "labels":
        return [float(len(set(one) ^ set(other))) for one, other in pairs]
    from sacrebleu import sentence_chrf

    return [0.0 if one == other else 1.0 - sentence_chrf(one, [other]).score / 100 for one, other in pairs]


def sides(seal: str, example: str) -> tuple[str, str]:
    """Whose answer to an example stands first and whose second, by chance, but the same for every reviewer."""
    return SIDES if _chance(seal, example) % 2 else SIDES[::-1]


def in_random_order(seal: str, examples: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The examples in an order that says nothing of how far their answers lie apart."""
    return sorted(examples, key=lambda example: _chance(f"{seal} order", str(example["id"])))


def _chance(seal: str, example: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seal} {example}".encode()).digest())


def _beside(task: Task, row: Row, ours: Prediction, theirs: Prediction) -> dict[str, Any]:
    asked = kind_of(task).shown(task, row, ours, theirs).get("asked")
    shown = {"asked": asked} if asked else {name: row[name] for name in task.columns if name in row}
    return {"id": row["id"], "input": shown} | {
        side: answer["prediction"] for side, answer in zip(SIDES, (ours, theirs), strict=True)
    }
