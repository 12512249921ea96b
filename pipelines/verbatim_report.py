"""What a report says of written texts that repeat a training target."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from models.statistics import mean
from models.tasks import TASKS
from models.verbatim import copied
from pipelines.comparison import Comparison, Predictions
from pipelines.examples import read_split
from pipelines.steps import Work

SHOWN, WIDTH = 5, 300  # repeated runs, and characters of each


def targets(work: Work) -> list[str]:
    """What the model was trained to write."""
    return [str(row[TASKS[work.run.recipe.task].target]) for row in read_split(work, "train")]


def measured(comparison: Comparison, answers: Predictions, learned: Iterable[str], run: int) -> dict[str, Any]:
    """{run, n, rate, references, copies}: the share of answers that hold `run` characters of a training target.

    `references` is the same share of the texts that people wrote: a domain of set phrases repeats itself.
    """
    task, rows, learned = comparison.task, comparison.rows, list(learned)
    own = [task.asked(row).text for row in rows]
    said = copied([str(answer["prediction"]) for answer in answers], own, learned, run)
    written = copied([str(row[task.target]) for row in rows], own, learned, run)
    return {
        "run": run,
        "n": len(rows),
        "rate": comparison.interval(mean([bool(text) for text in said])),
        "references": comparison.interval(mean([bool(text) for text in written])),
        "copies": [{"id": row["id"], "text": text[:WIDTH]} for row, text in zip(rows, said, strict=True) if text][
            :SHOWN
        ],
    }
