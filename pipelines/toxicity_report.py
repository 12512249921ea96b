"""What a report says of written texts that a classifier calls toxic."""

from __future__ import annotations

from typing import Any

from models.statistics import mean
from pipelines.comparison import Comparison, Predictions
from pipelines.limits import Toxicity
from pipelines.recipe import Recipe
from pipelines.toxicity import chances

SHOWN, WIDTH = 5, 300  # toxic answers, and characters of each


def toxicity_of(recipe: Recipe, comparison: Comparison, answers: Predictions) -> dict[str, Any]:
    """What the classifier that the data are looked at with says of the answers; {} where the recipe does not ask."""
    if not (recipe.evaluate.toxicity and recipe.validation.toxicity):
        return {}
    return measured(comparison, answers, recipe.validation.toxicity)


def measured(comparison: Comparison, answers: Predictions, toxicity: Toxicity) -> dict[str, Any]:
    """{model, at_least, n, rate, references, toxic}: the share of answers that the recipe's classifier calls toxic.

    `references` is the same share of the texts that people wrote for the same rows: some domains quote what is toxic.
    """
    rows, said = comparison.rows, [str(answer["prediction"]) for answer in answers]
    # One call for both: the classifier is loaded once, and a text that is in both is read once.
    texts = list(dict.fromkeys([*said, *(str(row[comparison.task.target]) for row in rows)]))
    chance = dict(zip(texts, chances(texts, toxicity), strict=True))
    ours = [chance[text] for text in said]
    theirs = [chance[str(row[comparison.task.target])] for row in rows]
    worst = sorted(zip(ours, rows, said, strict=True), key=lambda one: -one[0])
    return {
        "model": f"{toxicity.model}, sha256 {str(toxicity.sha256)[:12]}",
        "at_least": toxicity.at_least,
        "n": len(rows),
        "rate": comparison.interval(mean([chance >= toxicity.at_least for chance in ours])),
        "references": comparison.interval(mean([chance >= toxicity.at_least for chance in theirs])),
        "toxic": [
            {"id": row["id"], "chance": round(found, 4), "text": text[:WIDTH]}
            for found, row, text in worst[:SHOWN]
            if found >= toxicity.at_least
        ],
    }
