"""`finetune.prompt`: labels as words that a language model is asked for, and whether a prompt fits its recipe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, field_validator

from models.tasks.task import Task
from models.verbaliser import MASK, fields
from pipelines.section import Section

if TYPE_CHECKING:
    from pipelines.recipe import Finetune, Recipe

# Keys of [finetune] that may stand where nothing learns: how texts are read, and what nearly every recipe says.
IDLE = ("epochs", "prompt", "max_length", "batch_size", "learning_rate", "frozen_layers")
Label = Annotated[str, Field(min_length=1)]
Word = Annotated[str, Field(pattern=r"^\S(.*\S)?$")]


class LabelPrompt(Section):
    """A pattern around the text, and the word that stands for each label (PET, Schick and Schuetze 2021)."""

    template: str = Field(description='Such as "{text} All in all, it was {mask}."')
    words: dict[Label, Word] = Field(min_length=2, description='Such as { positive = "good", negative = "bad" }')

    @field_validator("template")
    @classmethod
    def _readable(cls, template: str) -> str:
        try:
            fields(template)
        except ValueError as error:
            raise ValueError(f"{error}; a brace that is text is written twice, {{{{ or }}}}") from None
        return template

    @field_validator("words")
    @classmethod
    def _each_once(cls, words: dict[str, str]) -> dict[str, str]:
        for label, word in words.items():
            if twin := next((other for other in words if other < label and words[other] == word), None):
                raise ValueError(f"{word!r} stands for {twin!r} and for {label!r}; each label needs a word of its own")
        return words


def prompt_problems(recipe: Recipe, task: Task) -> Iterator[str]:
    """Why the recipe's prompt cannot be asked: key, problem and cure, one a line."""
    prompt, finetune = recipe.finetune.prompt, recipe.finetune
    if prompt is None:
        if not finetune.epochs:
            yield "finetune.epochs is 0, and only finetune.prompt answers untrained; set it to 1 or more"
        return
    if task.answer != "label":
        yield f"finetune.prompt is for tasks that answer with a label; {task.name} does not; leave it out"
        return
    yield from _template_problems(prompt.template, task, recipe.pretrain.objective)
    if finetune.contrastive:
        yield "finetune.contrastive trains for a new head, and finetune.prompt has none; leave one of them out"
    if finetune.method in ("prefix", "prompt") and recipe.pretrain.objective == "causal":
        yield (
            f"finetune.method is {finetune.method!r}, whose virtual tokens a decoder that is asked for words "
            "(finetune.prompt) does not see; take another, such as 'lora'"
        )
    if not finetune.epochs:
        yield from _untrained_problems(finetune)
    labels = recipe.data.labels
    if labels is not None and (odd := sorted(set(labels) ^ set(prompt.words))):
        lacks = "finetune.prompt.words" if odd[0] in labels else "data.labels"
        yield f"finetune.prompt.words needs a word for each of data.labels and no other; {lacks} lacks {odd[0]!r}"


def _untrained_problems(finetune: Finetune) -> Iterator[str]:
    """What says how to learn, where nothing does."""
    for key, field in type(finetune).model_fields.items():
        if key not in IDLE and (value := getattr(finetune, key)) != field.get_default(call_default_factory=True):
            shown = repr(value) if isinstance(value, int | float | str) else "set"
            yield f"finetune.{key} is {shown}, and with finetune.epochs = 0 nothing learns; leave it out"


def _template_problems(template: str, task: Task, objective: str) -> Iterator[str]:
    found = fields(template)
    names = [name for _, name in found if name is not None]
    wanted = (*task.texts, MASK)
    if sorted(names) != sorted(wanted):
        told = " and ".join(f"{{{name}}}" for name in wanted)
        yield f"finetune.prompt.template needs {told}, each once; it has {', '.join(names) or 'none'}"
    elif objective == "causal" and found[-1][1] != MASK:
        yield (
            "finetune.prompt.template goes on after {mask}, and a causal model knows only what comes before; "
            "let it end there"
        )
