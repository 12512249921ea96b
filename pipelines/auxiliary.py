"""Auxiliary tasks of a fine-tuning: they learn over the backbone of the recipe's own task, and stay behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from models.tasks import TASKS
from pipelines.answers import kind_of
from pipelines.auxiliary_recipe import Auxiliary
from pipelines.steps import Work

if TYPE_CHECKING:
    from models.record import Record, Validation
    from models.schedule import Plan


@dataclass(frozen=True)
class Further:
    """An auxiliary task as it is trained: its model over the shared backbone, its own batches and validation."""

    auxiliary: Auxiliary
    model: Any
    plan: Plan
    validation: Validation


def further_tasks(work: Work, model: Any) -> list[Further]:
    """The recipe's auxiliary tasks over the backbone of `model`, the model of its own task."""
    from models.mixing import over

    found = []
    for auxiliary in work.run.recipe.finetune.auxiliary:
        print(f"beside it, {auxiliary.task} ({auxiliary.examples}):", flush=True)
        other, _, plan, validation = kind_of(TASKS[auxiliary.task]).training(_work_of(work, auxiliary))
        found.append(Further(auxiliary, over(model, other), plan, validation))
    return found


def _work_of(work: Work, auxiliary: Auxiliary) -> Work:
    """The same fine-tuning, as if the auxiliary task were the recipe's own."""
    recipe = work.run.recipe
    data = recipe.data.model_copy(update={"examples": auxiliary.examples, "labels": None})
    finetune = recipe.finetune.model_copy(update={"augment": None, "hard_negatives": None, "validation_texts": 0})
    mine = recipe.model_copy(update={"task": auxiliary.task, "data": data, "finetune": finetune})
    return replace(work, run=work.run.model_copy(update={"recipe": mine}))


def mixed(work: Work, plan: Plan, validation: Validation, further: Sequence[Further]) -> tuple[Plan, Validation]:
    """One plan for all tasks, and a validation that measures all of them and chooses by the recipe's own."""
    from models.mixing import mixed_plan

    plans = [plan, *(one.plan for one in further)]
    recipe = work.run.recipe
    found = mixed_plan(plans, [one.model for one in further], recipe.finetune.task_temperature, recipe.seed)
    print(f"{len(found.epochs[0]):,} batches an epoch, {len(plan.epochs[0]):,} of them of {recipe.task}", flush=True)

    def measure(model: Any) -> dict[str, float]:
        measured = dict(validation.measure(model))
        for one in further:
            own = one.validation.measure(one.model)
            measured |= {f"{one.auxiliary.examples}/{name}": value for name, value in own.items()}
        return measured

    return found, replace(validation, measure=measure)


def learned(work: Work, record: Record) -> list[dict[str, Any]]:
    """What each auxiliary task is, and what it validated with in the epoch that was kept."""
    measured = record.epochs[record.best_epoch - 1]["validation"]
    found = []
    for one in work.run.recipe.finetune.auxiliary:
        named = ((name.rpartition("/"), value) for name, value in measured.items())
        own = {metric: value for (examples, _, metric), value in named if examples == one.examples}
        found.append({**one.model_dump(), "metric": TASKS[one.task].validated, "validation": own})
    return found
