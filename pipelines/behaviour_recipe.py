"""What a recipe's `evaluate.behaviour` and the gates on it may say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from models.tasks.task import Task

if TYPE_CHECKING:
    from pipelines.recipe import Recipe

Kind = Literal["minimum", "invariance", "directional"]
KINDS: tuple[Kind, ...] = ("minimum", "invariance", "directional")
# What gates and MLflow call the shares of passed cases, before their kind.
PASSED = "behaviour_"
# Which way a probability may go, and the length of a text.
CHANCE_WAYS, LENGTH_WAYS = ("up", "down", "not_up", "not_down"), ("longer", "shorter")


def ways(task: Task) -> tuple[str, ...]:
    """The directions in which the answers of a task can go; none of texts that are found."""
    known = {"label": CHANCE_WAYS, "labels": CHANCE_WAYS, "click": CHANCE_WAYS, "text": LENGTH_WAYS}
    return known.get(task.answer, ())


def behaviour_metrics(task: Task) -> dict[str, Kind]:
    """The numbers that gates may ask of a task, with the kind of case of each."""
    return {PASSED + kind: kind for kind in KINDS if kind != "directional" or ways(task)}


def behaviour_problems(recipe: Recipe, task: Task) -> Iterator[str]:
    """What is wrong with the files of cases, and with gates on them: key, problem and cure, one a line."""
    named = recipe.evaluate.behaviour
    if twice := [name for name in dict.fromkeys(named) if named.count(name) > 1]:
        yield f"evaluate.behaviour: {twice[0]!r} stands there twice; name each file once"
    for number, gate in enumerate(recipe.gates):
        if gate.metric in behaviour_metrics(task) and not named:
            yield f"gates.{number}.metric: {gate.metric} needs evaluate.behaviour, files of cases below data/"
