"""The task's examples: their splits, how a training goes through them, and how it is validated."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from models.tasks import TASKS
from pipelines.errors import Refused
from pipelines.rows import read_rows
from pipelines.steps import Work

if TYPE_CHECKING:
    from models.schedule import Passes, Plan
    from models.train import Validation

Rows = list[dict[str, Any]]
# The model, its tokenizer, what it goes through, and how its epochs are judged.
Training = tuple[Any, Any, "Plan", "Validation"]


def read_split(work: Work, split: str) -> Rows:
    """The rows of the recipe's train, validation or test examples."""
    return read_rows(work.inputs["dataset"] / work.run.recipe.data.examples / f"{split}.jsonl")


def training_rows(work: Work) -> tuple[Rows, Rows]:
    """The rows to learn from and the rows to validate with. Raises Refused when there are none of either."""
    found = {split: read_split(work, split) for split in ("train", "validation")}
    for split, rows in found.items():
        if not rows:
            path = work.inputs["dataset"] / work.run.recipe.data.examples / f"{split}.jsonl"
            raise Refused(f"{path} has no rows; fine-tuning needs examples to learn from and examples to validate")
    return found["train"], found["validation"]


def passes(work: Work, grouped: Rows | None = None) -> Passes:
    """What is gone through how often; `grouped` are rows whose groups shall stand together."""
    from models.schedule import Passes

    settings, task = work.run.recipe.finetune, TASKS[work.run.recipe.task]
    groups = [task.group(row) for row in grouped] if grouped else None
    return Passes(settings.batch_size // settings.accumulation, settings.epochs, work.run.recipe.seed, groups)


def validation(work: Work, measure: Callable[[Any], dict[str, float]], metric: str) -> Validation:
    """Each epoch judged by `measure`; the best by `metric` is kept."""
    from models.metrics import HIGHER_IS_BETTER
    from models.train import Validation

    return Validation(measure, metric, HIGHER_IS_BETTER[metric], work.run.recipe.finetune.early_stopping)
