"""finetune: train the adapted model on the task's examples, and keep the epoch that validates best."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from models import threads
from models.tasks import TASKS
from pipelines.chosen_method import chosen_method
from pipelines.corpus import refused_when_diverged, write_training
from pipelines.errors import Refused
from pipelines.room import require_room
from pipelines.rows import read_rows
from pipelines.steps import Work

if TYPE_CHECKING:
    from models.schedule import Passes, Plan
    from models.tasks.task import Task
    from models.train import Validation

Rows = list[dict[str, Any]]


def finetune(work: Work) -> None:
    """Write the fine-tuned model with merged weights, its curve, and how each epoch validated."""
    threads.use(work.settings.threads)
    from models.backbone import save
    from models.checkpoint import Checkpoints
    from models.methods import merged
    from models.train import train

    started = time.monotonic()
    build = _labels if TASKS[work.run.recipe.task].answer == "label" else _texts
    model, tokenizer, plan, validation = build(work)
    require_room(model, work.run.recipe)  # a base that was reused was never compared with today's max_length
    model, plan, pace = chosen_method(work.run.recipe, model, plan)
    checkpoints = Checkpoints(work.checkpoints, work.settings.checkpoint_every)
    with refused_when_diverged():
        record = train(model, plan, pace, checkpoints, validation)
    save(merged(model), tokenizer, work.out / "model")
    metrics = {"epochs": record.epochs, "best_epoch": record.best_epoch, "tokens": record.tokens}
    write_training(work.out, record, metrics, time.monotonic() - started)


Training = tuple[Any, Any, "Plan", "Validation"]


def _labels(work: Work) -> Training:
    """A classifier of texts, or of pairs of them."""
    from models import objectives
    from models.backbone import new_classifier

    task, settings, seed = TASKS[work.run.recipe.task], work.run.recipe.finetune, work.run.recipe.seed
    rows, held = (_rows(work, split) for split in ("train", "validation"))
    labels = sorted({row["label"] for row in rows})
    folder = work.inputs["model"] / "model"
    model, tokenizer = new_classifier(folder, labels, seed, settings.max_length, len(task.texts))
    texts, numbers = [task.read(row) for row in rows], [labels.index(row["label"]) for row in rows]
    plan = objectives.label_plan(tokenizer, texts, numbers, _passes(work, rows))
    print(f"{len(rows):,} examples, labels {', '.join(labels)}; {len(held):,} to validate", flush=True)
    return model, tokenizer, plan, _validation(work, _measure_labels(work, tokenizer, held))


def _measure_labels(work: Work, tokenizer: Any, rows: Rows) -> Callable[[Any], dict[str, float]]:
    from models.predict import classify
    from models.tasks.labels import answer_of

    task = TASKS[work.run.recipe.task]
    texts = [task.read(row) for row in rows]

    def measure(model: Any) -> dict[str, float]:
        answers = [answer_of(found) for found in classify(model, tokenizer, texts)]
        told = [{"label": row["label"], **answer} for row, answer in zip(rows, answers, strict=True)]
        return {n: round(v, 6) for n, v in task.metrics(told).items()}

    return measure


def _texts(work: Work) -> Training:
    """A decoder that completes prompts."""
    from models import objectives
    from models.backbone import load_causal

    rows, held = (_rows(work, split) for split in ("train", "validation"))
    model, tokenizer = load_causal(work.inputs["model"] / "model")
    room = work.run.recipe.finetune.max_length
    task = TASKS[work.run.recipe.task]
    pairs = [(task.asked(row), row[task.target]) for row in rows]
    plan = objectives.completion_plan(tokenizer, pairs, room, _passes(work))
    print(f"{len(rows):,} prompts to complete; {len(held):,} to validate", flush=True)
    return model, tokenizer, plan, _validation(work, _measure_texts(task, tokenizer, held))


def _measure_texts(task: Task, tokenizer: Any, rows: Rows) -> Callable[[Any], dict[str, float]]:
    """Bits per byte of the completions: writing them all after every epoch would take longer than the training."""
    from models.generate import completion_bits

    prompts, completions = [task.asked(row) for row in rows], [row[task.target] for row in rows]
    size = sum(len(text.encode()) for text in completions)

    def measure(model: Any) -> dict[str, float]:
        return {"bits_per_byte": round(sum(completion_bits(model, tokenizer, prompts, completions)) / size, 6)}

    return measure


def _passes(work: Work, grouped: Rows | None = None) -> Passes:
    """What is gone through how often; `grouped` are rows whose groups shall stand together."""
    from models.schedule import Passes

    settings, task = work.run.recipe.finetune, TASKS[work.run.recipe.task]
    groups = [task.group(row) for row in grouped] if grouped else None
    return Passes(settings.batch_size // settings.accumulation, settings.epochs, work.run.recipe.seed, groups)


def _validation(work: Work, measure: Callable[[Any], dict[str, float]]) -> Validation:
    from models.metrics import HIGHER_IS_BETTER
    from models.train import Validation

    task = TASKS[work.run.recipe.task]
    metric = task.primary if task.answer == "label" else "bits_per_byte"
    return Validation(measure, metric, HIGHER_IS_BETTER[metric], work.run.recipe.finetune.early_stopping)


def _rows(work: Work, split: str) -> Rows:
    path = work.inputs["dataset"] / work.run.recipe.data.examples / f"{split}.jsonl"
    if rows := read_rows(path):
        return rows
    raise Refused(f"{path} has no rows; fine-tuning needs examples to learn from and examples to validate")
