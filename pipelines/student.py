"""The smaller model that a recipe's [distil] names: where it begins, and whether it may learn from its teacher."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.tasks import TASKS
from pipelines.base_source import find_named
from pipelines.corpus import training_texts
from pipelines.distil_recipe import Distil, Scratch
from pipelines.errors import Refused
from pipelines.recipe import Recipe
from pipelines.steps import Work

if TYPE_CHECKING:
    from models.record import Validation
    from models.schedule import Passes, Plan

Pair = tuple[Any, Any]
# The teacher's parameters; the student and its tokenizer; what it goes through; how its epochs are judged.
Lessons = tuple[int, Pair, "Plan", "Validation"]


def require_section(recipe: Recipe) -> Distil:
    """The recipe's [distil]. Raises Refused when it has none."""
    if recipe.distil is None:
        raise Refused(
            f"{recipe.name} has no [distil], which says what the student is; add one (docs/smaller-models.md)"
        )
    return recipe.distil


def student_folder(work: Work, asked: Iterable[str], folder: Path) -> Path:
    """Where the model lies that the student begins as; one made here is saved into `folder`.

    Its tokenizer has seen what the task is about, the domain and general text; it has learned nothing yet.
    """
    from models.backbone import save
    from models.scratch import scratch

    settings, data = require_section(work.run.recipe), work.run.recipe.data
    if not isinstance(settings.student, Scratch):
        return find_named(settings, settings.student, work.settings, "distil.student")
    corpora = [text for corpus in (data.corpus, data.replay.corpus) for text in training_texts(work, corpus)]
    save(*scratch(settings.student.scratch, [*asked, *corpora], work.run.recipe.seed), folder)
    return folder


def require_smaller(student: Any, most: int, parameters: int, recipe: Recipe) -> None:
    """Raise Refused for a student as large as its teacher of so many `parameters`, or that reads fewer tokens.

    `most` is how many it reads at once.
    """
    from models.methods import count

    ours, length = count(student)[1], recipe.finetune.max_length
    print(f"{ours:,} parameters learn from {parameters:,}", flush=True)
    if ours >= parameters:
        raise Refused(f"distil.student has {ours:,} parameters, no fewer than the {parameters:,} of its teacher")
    if length > most:
        raise Refused(f"finetune.max_length is {length}, but distil.student reads {most} tokens at once; take another")
    if TASKS[recipe.task].answer == "text" and (written := recipe.finetune.max_new_tokens) >= most:
        raise Refused(f"finetune.max_new_tokens is {written}, but distil.student reads {most} tokens; take another")


def passes(recipe: Recipe, drawn: list[list[int]] | None = None) -> Passes:
    """What the student goes through how often: all of it, or what is `drawn` for each epoch."""
    from models.schedule import Passes

    size = recipe.finetune.batch_size // recipe.finetune.accumulation
    return Passes(size, require_section(recipe).epochs, recipe.seed, drawn=drawn)
