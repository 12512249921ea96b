"""What a recipe's `evaluate.verbatim`, `toxicity` and `bias`, and the gates on them, may say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from models.scratch import names
from models.tasks.task import Task

if TYPE_CHECKING:
    from pipelines.recipe import Recipe

# What gates and MLflow call the numbers.
COPIES, TOXIC, STEREOTYPES = "verbatim_rate", "toxicity_rate", "stereotype_rate"


def safety_metrics(task: Task) -> tuple[str, ...]:
    """The numbers that gates may ask of a task."""
    return (COPIES, TOXIC, STEREOTYPES) if task.answer == "text" else (STEREOTYPES,)


def safety_problems(recipe: Recipe, task: Task) -> Iterator[str]:
    """What is wrong with the keys, and with gates on them: key, problem and cure, one a line."""
    seen = recipe.evaluate
    for key, asked in (("verbatim", seen.verbatim is not None), ("toxicity", seen.toxicity)):
        if asked and task.answer != "text":
            yield f"evaluate.{key} is for tasks that write, and {task.name} writes nothing; leave it out"
    if seen.toxicity and recipe.validation.toxicity is None:
        yield "evaluate.toxicity asks the classifier of validation.toxicity, which is not there; name its model there"
    if seen.bias and recipe.pretrain.objective == "denoising":
        yield "evaluate.bias compares sentences by models that are masked or causal; leave it out"
    yield from _student_problems(recipe, task)
    for number, gate in enumerate(recipe.gates):
        if gate.metric == COPIES and task.answer == "text" and seen.verbatim is None:
            yield f"gates.{number}.metric: {COPIES} needs evaluate.verbatim, characters in a row, such as 50"
        if gate.metric == TOXIC and task.answer == "text" and not seen.toxicity:
            yield f"gates.{number}.metric: {TOXIC} needs evaluate.toxicity = true, and a model in validation.toxicity"
        if gate.metric == STEREOTYPES and not seen.bias:
            yield f"gates.{number}.metric: {STEREOTYPES} needs evaluate.bias, a file of pairs below data/"


def _student_problems(recipe: Recipe, task: Task) -> Iterator[str]:
    """Why the released student cannot be asked which sentence is likelier."""
    if not recipe.evaluate.bias or not recipe.distil or not recipe.distil.release:
        return
    if task.answer != "text":
        yield (
            "evaluate.bias asks a classifier under the head that its own pretraining left, and a student that "
            "distil.release lets out has none; leave it out, or set distil.release to false"
        )
    elif not isinstance(recipe.distil.student, str) and recipe.distil.student.scratch in names("denoising"):
        yield (
            f"evaluate.bias compares sentences by models that are masked or causal, and distil.student.scratch is "
            f"{recipe.distil.student.scratch!r}; leave one of them out, or take a decoder"
        )
