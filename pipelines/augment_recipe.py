"""What a recipe's `finetune.augment` may say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from models.tasks.task import Task
from pipelines.below_data import BelowData
from pipelines.section import Section

if TYPE_CHECKING:
    from pipelines.recipe import Recipe


class Translator(Section):
    """A model that the task `translation` trained: it is asked as that asks."""

    model: str = Field(description="hf://org/name, a folder, models:/name@champion or models:/name/version")
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="Digest of model.safetensors")
    files_sha256: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="Digest of its config and tokenizer, set when a run is frozen"
    )
    artifact: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="Digest of a promoted artifact (models:/), set when a run is frozen"
    )


class BackTranslation(Section):
    """Two translators, into another language and back."""

    language: str = Field(pattern="^[a-z]{2,3}(-[A-Za-z]{2,4})?$", description="Of the text in between, such as zh")
    there: Translator
    back: Translator


class Augment(Section):
    """How training rows are copied with other words."""

    copies: int = Field(1, ge=1, le=20, description="Changed copies of each training row, of each kind")
    share: float = Field(0.15, gt=0, le=0.5, description="Share of a text's words that are replaced")
    synonyms: BelowData | None = Field(
        None,
        description="A file below data/: words that may stand for each other, a set a line, with tabs",
    )
    slots: BelowData | None = Field(
        None,
        description='A file below data/: {"slot": "product", "values": [...]} a line, values that may be exchanged',
    )
    back_translation: BackTranslation | None = Field(None, description="Into another language and back, one copy a row")
    masked: bool = Field(False, description="Words that the run's own masked model finds likely in their place")

    @model_validator(mode="after")
    def _of_some_kind(self) -> Self:
        if not (self.synonyms or self.masked or self.slots or self.back_translation):
            raise ValueError("say how: synonyms, masked, slots or back_translation, or several (docs/few-labels.md)")
        if not (self.synonyms or self.masked or self.slots) and self.copies > 1:
            raise ValueError("copies: back_translation makes the likeliest one of each row alone; leave it out")
        if not (self.synonyms or self.masked) and self.share != type(self).model_fields["share"].default:
            raise ValueError("share is of the words that synonyms and masked replace; leave it out")
        return self


def augment_problems(recipe: Recipe, task: Task) -> Iterator[str]:
    """Why the recipe's rows cannot be augmented: key, problem and cure, one a line."""
    augment = recipe.finetune.augment
    if augment is None:
        return
    if task.answer not in ("label", "labels", "text"):
        yield f"finetune.augment is for tasks that answer with labels or write; {task.name} does not; leave it out"
    for kind in ("synonyms", "masked", "back_translation"):
        if getattr(augment, kind) and task.answer != "label":
            yield f"finetune.augment.{kind} is for tasks that answer with one label; {task.name} does not; take slots"
    for way in ("there", "back") if augment.back_translation else ():
        translator = getattr(augment.back_translation, way)
        if translator.artifact and not translator.model.startswith("models:/"):
            key = f"finetune.augment.back_translation.{way}.artifact"
            yield f"{key} is the digest of a promoted model, models:/name; leave it out"
    if augment.back_translation and augment.back_translation.language in recipe.language:
        language = augment.back_translation.language
        yield f"finetune.augment.back_translation.language is {language!r}, that of the recipe's rows; take another"
    if augment.masked and recipe.pretrain.objective != "masked":
        yield "finetune.augment.masked needs a masked model, and pretrain.objective is 'causal'; use synonyms"
