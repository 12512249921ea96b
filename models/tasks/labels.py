"""What tasks that answer with one of several labels have in common: the answer, and how it is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from models import metrics, statistics
from models.bootstrap import Statistic
from models.tasks.task import Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

MEASURES = ("accuracy", "f1", "ece", "auc")


def measured(predictions: Sequence[Prediction]) -> dict[str, float]:
    """accuracy, f1 (macro) and ece; auc too where there are two labels, each true of some example."""
    truth, answer = columns(predictions)
    found = {"accuracy": metrics.accuracy(truth, answer), "f1": metrics.macro_f1(truth, answer)}
    confidence, correct = certainty(predictions)
    found["ece"] = metrics.expected_calibration_error(confidence, correct)
    if (positive := positive_label(predictions)) and len(set(truth)) == 2:
        found["auc"] = metrics.auc([label == positive for label in truth], probabilities(predictions))
    return found


def resampled(predictions: Sequence[Prediction]) -> dict[str, Statistic]:
    """The metrics of `measured` as functions of resampling weights."""
    truth, answer = columns(predictions)
    confidence, correct = certainty(predictions)
    found: dict[str, Statistic] = {
        "accuracy": statistics.mean(correct),
        "f1": statistics.macro_f1(truth, answer),
        "ece": statistics.expected_calibration_error(confidence, correct),
    }
    if (positive := positive_label(predictions)) and len(set(truth)) == 2:
        found["auc"] = statistics.auc([label == positive for label in truth], probabilities(predictions))
    return found


def answer_of(probabilities: Mapping[str, float]) -> dict[str, Any]:
    """The label that a model's probabilities speak for, and one of them: of two labels the last's, else its own.

    `probability_of` names whose it is: which labels the model knows cannot be seen from those that happen to occur.
    """
    labels = sorted(probabilities)
    prediction = max(labels, key=lambda label: probabilities[label])
    known = labels[-1] if len(labels) == 2 else prediction
    return {"prediction": prediction, "probability": probabilities[known], "probability_of": known}


def columns(predictions: Sequence[Prediction]) -> tuple[list[str], list[str]]:
    """True and predicted labels."""
    return [str(p["label"]) for p in predictions], [str(p["prediction"]) for p in predictions]


def probabilities(predictions: Sequence[Prediction]) -> list[float]:
    return [float(p["probability"]) for p in predictions]


def positive_label(predictions: Sequence[Prediction]) -> str | None:
    """The last of two labels in sorted order ("yes" of no and yes), when each probability is of it; else None."""
    labels = sorted({str(p[column]) for p in predictions for column in ("label", "prediction")})
    is_positive = len(labels) == 2 and all(p.get("probability_of", labels[-1]) == labels[-1] for p in predictions)
    return labels[-1] if is_positive else None


def certainty(predictions: Sequence[Prediction]) -> tuple[NDArray[Any], NDArray[Any]]:
    """How sure the model was of what it said, and whether that was right: two arrays of shape (examples,).

    Without `probability_of`, a probability is the positive label's when there are two labels, else the predicted one's.
    """
    import numpy as np

    truth, answer = (np.array(column) for column in columns(predictions))
    positive = positive_label(predictions)
    known = np.array([str(p.get("probability_of", positive or p["prediction"])) for p in predictions])
    said = np.array(probabilities(predictions))
    return np.where(answer == known, said, 1 - said), (truth == answer).astype(float)
