"""The task's examples: their splits, how a training goes through them, and how it is validated."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.tasks import TASKS
from models.tasks.task import Row, Task
from pipelines.errors import Refused
from pipelines.rows import lines, read_rows
from pipelines.steps import Work

if TYPE_CHECKING:
    from models.record import Validation
    from models.schedule import Passes, Plan
    from pipelines.recipe import Recipe

Rows = list[dict[str, Any]]
# How the model of a folder is read, with its tokenizer.
Load = Callable[[Path], tuple[Any, Any]]
# The model, its tokenizer, what it goes through, and how its epochs are judged.
Training = tuple[Any, Any, "Plan", "Validation"]


def read_split(work: Work, split: str) -> Rows:
    """The rows of the recipe's train, validation or test examples."""
    recipe = work.run.recipe
    return examples(TASKS[recipe.task], work.inputs["dataset"] / recipe.data.examples / f"{split}.jsonl")


def test_file(dataset: Path, recipe: Recipe) -> Path:
    """The rows that a model of the recipe is judged by."""
    return dataset / recipe.data.examples / "test.jsonl"


def examples(task: Task, path: Path) -> Rows:
    """The rows of a file, as inputs and target. Raises Refused naming file and line of a row that has no target."""
    rows = read_rows(path)
    for place, row in enumerate(rows):
        try:
            rows[place] = dict(task.example(row)) if task.example else row
        except ValueError as error:
            number = [number for number, _ in lines(path)][place]
            raise Refused(f"{path}, line {number}: {error}") from None
    return rows


def by_chance(rows: Sequence[Row]) -> list[int]:
    """Positions of the rows in an order of chance: that of the hash of the id, the same in every run."""
    return sorted(range(len(rows)), key=lambda n: hashlib.sha256(str(rows[n]["id"]).encode()).hexdigest())


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


def validated_by(recipe: Recipe) -> str:
    """The metric of the validation rows by which epochs and settings are compared."""
    task = TASKS[recipe.task]
    return task.primary if recipe.finetune.validation_texts else task.validated


def validation(work: Work, measure: Callable[[Any], dict[str, float]], metric: str) -> Validation:
    """Each epoch judged by `measure`; the best by `metric` is kept."""
    from models.metrics import HIGHER_IS_BETTER
    from models.record import Validation

    return Validation(measure, metric, HIGHER_IS_BETTER[metric], work.run.recipe.finetune.early_stopping)
