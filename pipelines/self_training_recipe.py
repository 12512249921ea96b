"""What a recipe's `finetune.self_training` may say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from models.tasks.task import Task
from pipelines.section import Section

if TYPE_CHECKING:
    from pipelines.recipe import Recipe


class SelfTraining(Section):
    """How a model's sure answers to unlabelled texts become training rows of the next one."""

    corpus: int = Field(5_000, ge=1, description="Texts of data.corpus that are asked about")
    threshold: float = Field(0.9, gt=0, le=1, description="Probability from which an answer is taken for the label")
    most: int = Field(0, ge=0, description="Texts of one label that are taken at most, the surest; 0: any number")
    rounds: int = Field(1, ge=1, le=20, description="Trainings after the first; one that gains nothing is the last")


def self_training_problems(recipe: Recipe, task: Task) -> Iterator[str]:
    """Why the recipe's model cannot teach itself: key, problem and cure, one a line."""
    if recipe.finetune.self_training is None:
        return
    if task.answer != "label" or len(task.texts) != 1:
        yield f"finetune.self_training is for tasks that give one text one label; {task.name} does not; leave it out"
