"""What a recipe's `finetune.augment` may say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

from pydantic import Field, field_validator, model_validator

from models.tasks.task import Task
from pipelines.section import Section

if TYPE_CHECKING:
    from pipelines.recipe import Recipe


class Augment(Section):
    """How training rows are copied with other words."""

    copies: int = Field(1, ge=1, le=20, description="Changed copies of each training row, of each kind")
    share: float = Field(0.15, gt=0, le=0.5, description="Share of a text's words that are replaced")
    synonyms: str | None = Field(
        None,
        description="A file below data/: words that may stand for each other, a set a line, with tabs",
    )
    masked: bool = Field(False, description="Words that the run's own masked model finds likely in their place")

    @field_validator("synonyms")
    @classmethod
    def _within_the_data(cls, name: str | None) -> str | None:
        if name is not None and (name.startswith(("/", "~")) or ".." in name.split("/")):
            raise ValueError(f"{name[:60]!r} leaves data/; name a file below it")
        return name

    @model_validator(mode="after")
    def _of_some_kind(self) -> Self:
        if not (self.synonyms or self.masked):
            raise ValueError('say how: synonyms = "words.tsv", masked = true, or both')
        return self


def augment_problems(recipe: Recipe, task: Task) -> Iterator[str]:
    """Why the recipe's rows cannot be augmented: key, problem and cure, one a line."""
    augment = recipe.finetune.augment
    if augment is None:
        return
    if task.answer != "label":
        yield f"finetune.augment is for tasks that answer with a label; {task.name} does not; leave it out"
    if augment.masked and recipe.pretrain.objective != "masked":
        yield "finetune.augment.masked needs a masked model, and pretrain.objective is 'causal'; use synonyms"
    if not recipe.finetune.epochs:
        yield "finetune.augment: with finetune.epochs = 0 nothing learns; leave it out"
