"""The numbers of the suites that a recipe may name, and which limit a gate sets on each."""

from __future__ import annotations

from typing import Literal

from models.tasks.task import Task
from pipelines.behaviour_recipe import PASSED, behaviour_metrics
from pipelines.robustness_recipe import FLIPS, LOSS, robustness_metrics
from pipelines.safety_recipe import safety_metrics
from pipelines.speed_recipe import HIGH, LOW, SIZE, SPEED, TOKENS

Limit = Literal["at_least", "at_most"]
# What the names of these numbers begin with, so that a slip of the pen is met with its own kind.
PREFIXES = (FLIPS, LOSS, PASSED, SPEED, "size", "verbatim", "toxicity", "stereotype")


def suite_metrics(task: Task) -> dict[str, Limit]:
    """Each number that a suite may find of a task, with the only limit that makes sense of it."""
    low = (*robustness_metrics(task), *safety_metrics(task), SIZE, *(SPEED + name for name in LOW))
    fast = (*HIGH, TOKENS) if task.answer == "text" else HIGH
    high = (*behaviour_metrics(task), *(SPEED + name for name in fast))
    return {**dict.fromkeys(low, "at_most"), **dict.fromkeys(high, "at_least")}
