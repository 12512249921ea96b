"""Whether clicks stand beside what was not clicked: rows that are all one of both teach and judge nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from models.tasks import TASKS
from models.tasks.task import Task
from pipelines.errors import Refused
from pipelines.examples import examples

if TYPE_CHECKING:
    from pipelines.recipe import Recipe

SPLITS = ("train", "validation", "test")


def require_both_labels(dataset: Path, recipe: Recipe) -> None:
    """Raise Refused for a file of clicks, the recipe's or an auxiliary task's, whose rows all have one label."""
    for task, name in _files(recipe):
        if task.answer != "click":
            continue
        found = {row[task.target] for row in examples(task, dataset / name)}
        if len(found) == 1:
            told = f"label is {found.pop()} in every row; rows with 0 and rows with 1 are needed"
            raise Refused(f"{dataset / name}: {told}")


def _files(recipe: Recipe) -> Iterator[tuple[Task, str]]:
    """Every file of examples that is learned from, chosen by or judged by, with its task."""
    for split in SPLITS:
        yield TASKS[recipe.task], f"{recipe.data.examples}/{split}.jsonl"
    for one in recipe.finetune.auxiliary:
        for name in one.files.values():
            yield TASKS[one.task], name
