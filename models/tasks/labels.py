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
    """The label that a model's probabilities speak for, with the probability that `certainty` explains."""
    labels = sorted(probabilities)
    prediction = max(labels, key=lambda label: probabilities[label])
    return {"prediction": prediction, "probability": probabilities[labels[-1] if len(labels) == 2 else prediction]}


def columns(predictions: Sequence[Prediction]) -> tuple[list[str], list[str]]:
    """True and predicted labels."""
    return [str(p["label"]) for p in predictions], [str(p["prediction"]) for p in predictions]


def probabilities(predictions: Sequence[Prediction]) -> list[float]:
    return [float(p["probability"]) for p in predictions]


def positive_label(predictions: Sequence[Prediction]) -> str | None:
    """The last of two labels in sorted order ("yes" of no and yes); None when there are not exactly two."""
    labels = sorted({str(p[column]) for p in predictions for column in ("label", "prediction")})
    return labels[-1] if len(labels) == 2 else None


def certainty(predictions: Sequence[Prediction]) -> tuple[NDArray[Any], NDArray[Any]]:
    """How sure the model was of what it said, and whether that was right: two arrays of shape (examples,).

    `probability` is that of the positive label when there are two labels, else that of the label predicted.
    """
    import numpy as np

    truth, answer = (np.array(column) for column in columns(predictions))
    said = np.array(probabilities(predictions))
    if positive := positive_label(predictions):
        said = np.where(answer == positive, said, 1 - said)
    return said, (truth == answer).astype(float)
