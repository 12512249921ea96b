"""What tasks that answer with one of many known texts have in common: how a rank is judged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from models import statistics
from models.bootstrap import Statistic
from models.tasks.task import Prediction, Row

MEASURES = ("mrr", "recall_1", "recall_5", "ndcg_10")


def judged(rows: Sequence[Row], answers: Sequence[str], ranks: Sequence[int]) -> list[dict[str, Any]]:
    """Each first answer as a prediction, with the rank of the right one and what that rank is worth."""
    return [
        {"id": row["id"], "prediction": answer, "rank": rank, **worth(rank)}
        for row, answer, rank in zip(rows, answers, ranks, strict=True)
    ]


def worth(rank: int) -> dict[str, float]:
    """The metrics of one question whose one right answer has this rank, counted from 1.

    With one right answer the ideal gain is 1, and nDCG is the right one's discount (Järvelin and Kekäläinen 2002).
    """
    return {
        "mrr": round(1 / rank, 6),
        "recall_1": float(rank <= 1),
        "recall_5": float(rank <= 5),
        "ndcg_10": round(1 / math.log2(1 + rank), 6) if rank <= 10 else 0.0,
    }


def measured(predictions: Sequence[Prediction]) -> dict[str, float]:
    """Mean of each metric over the questions."""
    return {name: sum(float(p[name]) for p in predictions) / len(predictions) for name in MEASURES}


def resampled(predictions: Sequence[Prediction]) -> dict[str, Statistic]:
    """The metrics of `measured` as functions of resampling weights."""
    return {name: statistics.mean([float(p[name]) for p in predictions]) for name in MEASURES}
