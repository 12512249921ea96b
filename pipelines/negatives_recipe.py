"""What a recipe's `finetune.hard_negatives` may say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from models.tasks.task import Task
from pipelines.section import Section

if TYPE_CHECKING:
    from pipelines.recipe import Recipe


class HardNegatives(Section):
    """How wrong answers that are near a question are found among those of the training rows."""

    by: Literal["words", "model"] = Field("words", description="BM25, or the encoder as it is before the first epoch")
    each: int = Field(1, ge=1, le=16, description="Wrong answers that are drawn for each training row")
    among: int = Field(20, ge=1, le=1000, description="They are drawn from so many that score highest")
    margin: float = Field(
        0.05, ge=0, lt=1, description="How far below the right answer's score they are at least, as a share of it"
    )

    @model_validator(mode="after")
    def _enough_to_draw_from(self) -> Self:
        if self.each > self.among:
            raise ValueError(f"each is {self.each}, and they are drawn from among {self.among}; raise among")
        return self


def negatives_problems(recipe: Recipe, task: Task) -> Iterator[str]:
    """Why the recipe has no use for hard negatives: key, problem and cure, one a line."""
    if recipe.finetune.hard_negatives and task.answer != "passage":
        yield f"finetune.hard_negatives is for tasks that find answers; {task.name} does not; leave it out"
