"""Generation: a prompt in, a text out."""

from __future__ import annotations

from collections.abc import Sequence

from models import metrics, statistics
from models.tasks.task import Prediction, Row, Task


def group(row: Row) -> str:
    """The row's `group`, else its prompt: answers to one prompt share its difficulty."""
    return str(row.get("group") or row["prompt"])


def measured(predictions: Sequence[Prediction]) -> dict[str, float]:
    """bits_per_byte of the references where their likelihood is known, rouge_l (mean F1) where a text was written."""
    found = {}
    if has_text(predictions):
        found["rouge_l"] = float(sum(rouge_l(predictions)) / len(predictions))
    if has_likelihood(predictions):
        found["bits_per_byte"] = metrics.bits_per_byte(*likelihood(predictions))
    return found


def resampled(predictions: Sequence[Prediction]) -> dict[str, statistics.Statistic]:
    """The metrics of `measured` as functions of resampling weights."""
    found = {}
    if has_text(predictions):
        found["rouge_l"] = statistics.mean(rouge_l(predictions))
    if has_likelihood(predictions):
        found["bits_per_byte"] = statistics.ratio(*likelihood(predictions))
    return found


def rouge_l(predictions: Sequence[Prediction]) -> list[float]:
    return [float(p["rouge_l"]) for p in predictions]


def has_text(predictions: Sequence[Prediction]) -> bool:
    """A baseline that is only asked how likely the references are writes nothing."""
    return all("rouge_l" in p for p in predictions)


def has_likelihood(predictions: Sequence[Prediction]) -> bool:
    """A baseline that copies a text gives no likelihood of another."""
    return all("bits" in p for p in predictions)


def likelihood(predictions: Sequence[Prediction]) -> tuple[list[float], list[float]]:
    """Bits that the model needs for each reference, and the reference's UTF-8 bytes."""
    return [float(p["bits"]) for p in predictions], [float(p["bytes"]) for p in predictions]


GENERATION = Task(
    name="generation",
    format="generation",
    version=1,
    answer="text",
    texts=("prompt",),
    target="completion",
    primary="bits_per_byte",
    measures=("bits_per_byte", "rouge_l"),
    group=group,
    metrics=measured,
    statistics=resampled,
)
