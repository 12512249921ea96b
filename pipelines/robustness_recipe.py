"""What a recipe's `evaluate.robustness` and the gates on it may say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, get_args

from models.tasks.task import Task

if TYPE_CHECKING:
    from pipelines.recipe import Recipe

Change = Literal["typos", "lower_case", "upper_case", "spaces", "width", "script"]
CHANGES: tuple[Change, ...] = get_args(Change)
# What gates and MLflow call the numbers, before the kind of change.
FLIPS, LOSS = "flip_rate_", "robustness_loss_"


def askable(task: Task) -> bool:
    """Whether the texts of a row can be changed, and the right answer stays.

    A dialog's turns are no columns; a click depends on what else the user saw; the right answers to a question are
    known by its words; a correction mends what was changed.
    """
    return task.reads is None and task.answer not in {"click", "passage"} and task.primary != "edit_f05"


def robustness_metrics(task: Task) -> dict[str, str]:
    """The numbers that gates may ask of a task, with the kind of change of each."""
    prefixes = () if not askable(task) else (LOSS,) if task.answer == "text" else (FLIPS, LOSS)
    return {prefix + kind: kind for prefix in prefixes for kind in CHANGES}


def robustness_problems(recipe: Recipe, task: Task) -> Iterator[str]:
    """What is wrong with the kinds of change, and with gates on them: key, problem and cure, one a line."""
    chosen = recipe.evaluate.robustness
    if chosen and not askable(task):
        yield f"evaluate.robustness changes texts whose right answer stays, and {task.name} has none; leave it out"
    if twice := [kind for kind in dict.fromkeys(chosen) if chosen.count(kind) > 1]:
        yield f"evaluate.robustness: {twice[0]!r} stands there twice; name each once"
    known = robustness_metrics(task)
    for number, gate in enumerate(recipe.gates):
        if (kind := known.get(gate.metric)) and kind not in chosen:
            yield f"gates.{number}.metric: {gate.metric} needs {kind!r} in evaluate.robustness"
