"""Generation: a prompt in, and attributes that the text must name where a row has some; a text out."""

from __future__ import annotations

import re
from collections.abc import Sequence

from models import text_metrics, variety
from models.prompt import Prompt
from models.tasks import texts
from models.tasks.task import Prediction, Row, Task, texts_given

# Attributes as shops write them: kind#value, with a star between them. One alone may be "C# in a day".
ATTRIBUTES = re.compile(r"[^#*\n]+#[^#*\n]+(?:\*[^#*\n]+#[^#*\n]+)+")


def asked(row: Row) -> Prompt:
    """The prompt, to go on from; of a row with attributes, lines after it that name them and ask for the text.

    What is too long loses its beginning: a prompt its first words, and attributes come last, so that they stay.
    """
    named = ", ".join(attributes(row))
    return Prompt(f"{row['prompt']}\n\nAttributes: {named}\nText:" if named else str(row["prompt"]))


def attributes(row: Row) -> list[str]:
    """The attributes that a row asks for; none where it has no such column."""
    return [text for text in texts_given(row, "attributes") if _value(text)]


def measured(predictions: Sequence[Prediction]) -> dict[str, float]:
    """The metrics of texts, and how varied the answers are, where there are any."""
    found = texts.measured(predictions)
    if all("prediction" in prediction for prediction in predictions):
        found |= variety.measured([str(prediction["prediction"]) for prediction in predictions])
    return found


def attribute_success(rows: Sequence[Row], answers: Sequence[str]) -> list[dict[str, list[int]]]:
    """How many of the attributes that were asked for an answer names, and how many there are; nothing without any."""
    found = []
    for row, answer in zip(rows, answers, strict=True):
        wanted = dict.fromkeys(_value(attribute) for attribute in _wanted(row))
        named = sum(value in answer.casefold() for value in wanted)
        found.append({"attribute_success": [named, len(wanted)]} if wanted else {})
    return found


def _wanted(row: Row) -> list[str]:
    """The row's own list, else a prompt that is nothing but attributes."""
    if named := attributes(row):
        return named
    prompt = str(row["prompt"]).strip()
    return prompt.split("*") if ATTRIBUTES.fullmatch(prompt) else []


def _value(attribute: str) -> str:
    return attribute.rpartition("#")[2].strip().casefold()


GENERATION = Task(
    name="generation",
    format="generation",
    version=2,
    answer="text",
    texts=("prompt",),
    target="completion",
    optional=("attributes",),
    ask=asked,
    primary="bits_per_byte",
    measures=(
        "bits_per_byte",
        "rouge_l",
        "bleu",
        "chrf",
        "distinct_1",
        "distinct_2",
        "self_bleu",
        "repetition",
        "attribute_success",
        "bert_score",
    ),
    metrics=measured,
    statistics=texts.resampled,
    judges=(
        text_metrics.rouge,
        text_metrics.bleu,
        text_metrics.chrf,
        variety.repetition,
    ),
    row_judges=(attribute_success,),
    worst="rouge_l",
    rivals=("nearest",),
)
