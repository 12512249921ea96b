"""distil: a smaller model learns the answers of the fine-tuned one, and keeps the epoch that validates best."""

from __future__ import annotations

import time

from models import threads
from models.tasks import TASKS
from pipelines import taught_labels, taught_texts
from pipelines.steps import Work
from pipelines.student import require_section
from pipelines.training import trained, write_training

LESSONS = {"label": taught_labels.lessons, "text": taught_texts.lessons}


def distil(work: Work) -> None:
    """Write the student, its curve, and how each epoch validated. Raises Refused for one that is not smaller."""
    threads.use(work.settings.threads)
    from models.backbone import save
    from models.methods import count, set_dropout
    from models.schedule import Pace

    started, recipe = time.monotonic(), work.run.recipe
    parameters, (student, tokenizer), plan, validation = LESSONS[TASKS[recipe.task].answer](work)
    set_dropout(student, 0.0)
    rate = require_section(recipe).learning_rate
    pace = Pace(rate, accumulation=recipe.finetune.accumulation, seed=recipe.seed)
    record = trained(work, student, plan, pace, validation)
    save(student, tokenizer, work.out / "model")
    sizes = {"parameters": count(student)[1], "teacher_parameters": parameters}
    metrics = {"epochs": record.epochs, "best_epoch": record.best_epoch, "tokens": record.tokens} | sizes
    write_training(work, record, metrics, time.monotonic() - started)
