"""finetune: train the adapted model on the task's examples, and keep the epoch that validates best."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from models import threads
from models.tasks import TASKS
from pipelines.answers import kind_of
from pipelines.chosen_method import chosen_method
from pipelines.room import require_room
from pipelines.steps import Work
from pipelines.training import trained, write_training

if TYPE_CHECKING:
    from models.record import Record, Validation


def finetune(work: Work) -> None:
    """Write the fine-tuned model with merged weights, its curve, and how each epoch validated."""
    from models.backbone import save
    from models.methods import count, merged

    started = time.monotonic()
    model, tokenizer, record = tuned(work)
    learning, weights = count(model)
    save(merged(model), tokenizer, work.out / "model")
    kind_of(TASKS[work.run.recipe.task]).finish(work)
    metrics = {"epochs": record.epochs, "best_epoch": record.best_epoch, "tokens": record.tokens}
    metrics["learns"] = round(learning / weights, 6)
    write_training(work, record, metrics, time.monotonic() - started)


def tuned(work: Work, watched: Callable[[Validation], Validation] | None = None) -> tuple[Any, Any, Record]:
    """The model with the weights of its best epoch, its tokenizer, and what the training did.

    `watched` stands between the training and its validation, and may end it by raising.
    """
    threads.use(work.settings.threads)
    model, tokenizer, plan, validation = kind_of(TASKS[work.run.recipe.task]).training(work)
    require_room(model, work.run.recipe)  # a base that was reused was never compared with today's max_length
    model, plan, pace = chosen_method(work.run.recipe, model, plan)
    return model, tokenizer, trained(work, model, plan, pace, watched(validation) if watched else validation)
