"""What tasks that answer whether a user clicks have in common: the answer, and how it is judged."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from models import metrics, statistics
from models.bootstrap import Statistic
from models.tasks.task import Prediction, Row

MEASURES = ("auc", "ndcg_10", "hit_10")
BEST = 10


def example(row: Row) -> Row:
    """A row with its label as text and its user as group. Raises ValueError for a label other than 0 and 1."""
    if str(row["label"]) not in ("0", "1"):
        raise ValueError(f"label is {str(row['label'])[:80]}; 1 (clicked, liked) or 0 is expected")
    return {**row, "label": str(row["label"]), "group": str(row["user_id"])}


def answer_of(chance: float) -> dict[str, Any]:
    """The answer that a probability of a click speaks for."""
    return {"prediction": "1" if chance >= 0.5 else "0", "probability": round(chance, 6)}


def judged(rows: Sequence[Row], chances: Sequence[float]) -> list[dict[str, Any]]:
    """Each probability of a click as a prediction."""
    return [
        {"id": row["id"], "user_id": row["user_id"], "label": row["label"], **answer_of(chance)}
        for row, chance in zip(rows, chances, strict=True)
    ]


def measured(predictions: Sequence[Prediction]) -> dict[str, float]:
    """AUC over all rows; ndcg_10 and hit_10 are means over the users with both labels. None without both."""
    clicked, worth = _clicked(predictions), list(_worth(predictions).values())
    found = {"auc": metrics.auc(clicked, _chances(predictions))} if len(set(clicked)) == 2 else {}
    return found | {name: sum(one[name] for one in worth) / len(worth) for name in MEASURES[1:] if worth}


def resampled(predictions: Sequence[Prediction]) -> dict[str, Statistic]:
    """The metrics of `measured` as functions of resampling weights, where users are drawn whole.

    A user's worth stands at the first of the user's rows, which is drawn as often as the user.
    """
    clicked, worth = _clicked(predictions), _worth(predictions)
    found: dict[str, Statistic] = {}
    if len(set(clicked)) == 2:
        found["auc"] = statistics.auc(clicked, _chances(predictions))
    sizes = [float(n in worth) for n in range(len(predictions))]
    for name in MEASURES[1:] if worth else ():
        found[name] = statistics.ratio([worth[n][name] if n in worth else 0.0 for n in range(len(predictions))], sizes)
    return found


def _clicked(predictions: Sequence[Prediction]) -> list[bool]:
    return [p["label"] == "1" for p in predictions]


def _chances(predictions: Sequence[Prediction]) -> list[float]:
    return [float(p["probability"]) for p in predictions]


def _worth(predictions: Sequence[Prediction]) -> dict[int, Mapping[str, float]]:
    """The metrics of each user who has rows of both labels, by the place of the user's first row."""
    places = defaultdict(list)
    for place, prediction in enumerate(predictions):
        places[prediction["user_id"]].append(place)
    found: dict[int, Mapping[str, float]] = {}
    for mine in places.values():
        # Equal probabilities are ordered by id, which knows nothing of the label.
        order = sorted(mine, key=lambda n: (-float(predictions[n]["probability"]), str(predictions[n]["id"])))
        clicks = [predictions[n]["label"] == "1" for n in order]
        if len(set(clicks)) == 2:
            found[mine[0]] = {"ndcg_10": ndcg(clicks), "hit_10": float(any(clicks[:BEST]))}
    return found


def ndcg(clicks: Sequence[bool]) -> float:
    """Discounted gain of the first ten over that of the best order (Järvelin and Kekäläinen 2002)."""

    def gain(order: Sequence[bool]) -> float:
        return sum(click / math.log2(2 + place) for place, click in enumerate(order[:BEST]))

    return gain(clicks) / gain(sorted(clicks, reverse=True))
