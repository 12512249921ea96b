"""What a recipe's `[[finetune.auxiliary]]` may say: further tasks that are learned over the same backbone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pydantic import Field

from models.tasks import TASKS
from models.tasks.task import Task
from pipelines.below_data import BelowData
from pipelines.section import Section
from pipelines.task_name import TaskName

if TYPE_CHECKING:
    from pipelines.recipe import Finetune, Recipe

# The splits of an auxiliary task that a fine-tuning reads.
SPLITS = ("train", "validation")


class Auxiliary(Section):
    """A task that is learned in the same training, and is neither judged by gates nor served."""

    task: TaskName = Field(description="What goes in and comes out there")
    examples: BelowData = Field(description="Folder below data/ with train and validation .jsonl")

    @property
    def files(self) -> dict[str, str]:
        """The file of each split."""
        return {split: f"{self.examples}/{split}.jsonl" for split in SPLITS}


def auxiliary_problems(recipe: Recipe, task: Task) -> Iterator[str]:
    """Why the recipe's auxiliary tasks cannot be learned with its own: key, problem and cure, one a line."""
    finetune = recipe.finetune
    if not finetune.auxiliary:
        if finetune.task_temperature != type(finetune).model_fields["task_temperature"].default:
            yield "finetune.task_temperature mixes tasks, and there is one; add [[finetune.auxiliary]], or leave it out"
        return
    taken = [PurePosixPath(recipe.data.examples)]
    for number, one in enumerate(finetune.auxiliary):
        key, folder = f"finetune.auxiliary.{number}", PurePosixPath(one.examples)
        if folder in taken:
            whose = "the recipe's own" if folder == taken[0] else "another auxiliary task's"
            yield f"{key}.examples: {one.examples!r} are {whose} examples; name each folder once"
        taken.append(folder)
        other = TASKS[one.task]
        if (other.answer == "text") != (task.answer == "text"):
            yield (
                f"{key}.task: {other.name} needs {_kind(other)}, and {task.name}, the recipe's task, {_kind(task)}; "
                "one model cannot learn both"
            )
        elif (objective := recipe.pretrain.objective) not in other.objectives and objective in task.objectives:
            needed = " or ".join(map(repr, other.objectives))
            yield f"{key}.task: {other.name} needs pretrain.objective {needed}, and it is {objective!r}"
    yield from _ways_problems(finetune, task)


def _kind(task: Task) -> str:
    return "a model that writes" if task.answer == "text" else "one that reads"


def _ways_problems(finetune: Finetune, task: Task) -> Iterator[str]:
    """What leaves nothing for several tasks to share."""
    if not finetune.epochs:
        yield "finetune.auxiliary: with finetune.epochs = 0 nothing learns; leave it out"
    if finetune.contrastive:
        yield "finetune.auxiliary: finetune.contrastive fits a head to frozen texts at last; leave one of them out"
    if finetune.prompt:
        yield "finetune.auxiliary gives each task a head, and finetune.prompt asks for words; leave one of them out"
    if finetune.method == "head" and task.answer != "text":
        yield "finetune.method is 'head', and tasks share what is below their heads; take another, such as 'full'"
