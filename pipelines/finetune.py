"""finetune: train the adapted model on the task's examples, and keep the epoch that validates best."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from models import threads
from models.tasks import TASKS
from models.tasks.task import Row
from pipelines.answers import kind_of
from pipelines.auxiliary import further_tasks, learned, mixed
from pipelines.chosen_method import chosen_method
from pipelines.room import require_room
from pipelines.self_training import Tuned, self_trained
from pipelines.steps import Work
from pipelines.training import trained, write_training

if TYPE_CHECKING:
    from models.record import Validation


def finetune(work: Work) -> None:
    """Write the fine-tuned model with merged weights, its curve, and how each epoch validated."""
    from models.backbone import save
    from models.methods import count, merged

    started = time.monotonic()
    (model, tokenizer, record), rounds = _learned(work)
    learning, weights = count(model)
    save(merged(model), tokenizer, work.out / "model")
    kind_of(TASKS[work.run.recipe.task]).finish(work)
    metrics = {"epochs": record.epochs, "best_epoch": record.best_epoch, "tokens": record.tokens}
    metrics["learns"] = round(learning / weights, 6)
    if work.run.recipe.finetune.auxiliary:
        metrics["auxiliary"] = learned(work, record)
    write_training(work, record, metrics | rounds, time.monotonic() - started)


def _learned(work: Work) -> tuple[Tuned, dict[str, Any]]:
    """What the recipe asks for, and what its rounds of self-training did, if it has any."""
    settings = work.run.recipe.finetune.self_training
    if settings is None:
        return tuned(work), {}
    best, rounds = self_trained(work, settings, lambda of_round, more: tuned(of_round, more=more))
    return best, {"self_training": rounds}


def tuned(
    work: Work, watched: Callable[[Validation], Validation] | None = None, more: Sequence[Row] | None = None
) -> Tuned:
    """The model of one training on the training rows, and on `more`, which a task with labels takes.

    `watched` stands between the training and its validation, and may end it by raising.
    """
    from models.mixing import heads_within

    threads.use(work.settings.threads)
    training = kind_of(TASKS[work.run.recipe.task]).training
    model, tokenizer, plan, validation = training(work, more) if more else training(work)
    require_room(model, work.run.recipe)  # a base that was reused was never compared with today's max_length
    further = further_tasks(work, model)
    if further:
        plan, validation = mixed(work, plan, validation, further)
    model, plan, pace = chosen_method(work.run.recipe, model, plan)
    with heads_within(model, [one.model for one in further]):
        record = trained(work, model, plan, pace, watched(validation) if watched else validation)
    return Tuned(model, tokenizer, record)
