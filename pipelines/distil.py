"""distil: a smaller classifier learns the answers of the fine-tuned one, and keeps the epoch that validates best."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from models import threads
from models.tasks import TASKS
from pipelines.answers.label import label_measure
from pipelines.artifact import sha256_text
from pipelines.base_source import find
from pipelines.corpus import training_texts
from pipelines.errors import Refused
from pipelines.examples import Rows, training_rows
from pipelines.loop_progress import progress
from pipelines.recipe import Distil, Recipe, Scratch
from pipelines.steps import Work
from pipelines.training import trained, write_training

if TYPE_CHECKING:
    from models.record import Validation
    from models.schedule import Plan

Pair = tuple[Any, Any]


def distil(work: Work) -> None:
    """Write the student, its curve, and how each epoch validated. Raises Refused for one that is not smaller."""
    threads.use(work.settings.threads)
    from models.backbone import load_classifier, save
    from models.methods import count, set_dropout
    from models.schedule import Pace

    started, settings = time.monotonic(), require_section(work.run.recipe)
    teacher = load_classifier(work.inputs["teacher"] / "model")
    rows, held = training_rows(work)
    student, tokenizer = _student(work, teacher[0], rows)
    set_dropout(student, 0.0)
    plan = _plan(work, teacher, (student, tokenizer), rows)
    pace = Pace(settings.learning_rate, accumulation=work.run.recipe.finetune.accumulation, seed=work.run.recipe.seed)
    record = trained(work, student, plan, pace, _validation(work, tokenizer, held))
    save(student, tokenizer, work.out / "model")
    sizes = {"parameters": count(student)[1], "teacher_parameters": count(teacher[0])[1]}
    metrics = {"epochs": record.epochs, "best_epoch": record.best_epoch, "tokens": record.tokens} | sizes
    write_training(work, record, metrics, time.monotonic() - started)


def require_section(recipe: Recipe) -> Distil:
    """The recipe's [distil]. Raises Refused when it has none."""
    if recipe.distil is None:
        raise Refused(
            f"{recipe.name} has no [distil], which says what the student is; add one (docs/smaller-models.md)"
        )
    return recipe.distil


def _student(work: Work, teacher: Any, rows: Rows) -> Pair:
    """A smaller encoder with a new head for the teacher's labels, and its tokenizer."""
    from models.backbone import new_classifier, room
    from models.methods import count

    recipe, task = work.run.recipe, TASKS[work.run.recipe.task]
    labels, length = sorted(teacher.config.id2label.values()), recipe.finetune.max_length
    with TemporaryDirectory() as made:
        folder = _encoder(work, rows, Path(made))
        try:
            require_encoder(folder)
            student, tokenizer = new_classifier(folder, labels, recipe.seed, length, len(task.texts))
        except ValueError as error:
            raise Refused(f"distil.student: {error}") from None
    (_, ours), (_, theirs) = count(student), count(teacher)
    print(f"{ours:,} parameters learn from {theirs:,}", flush=True)
    if ours >= theirs:
        raise Refused(f"distil.student has {ours:,} parameters, no fewer than the {theirs:,} of its teacher")
    if length > (most := room(student)):
        raise Refused(f"finetune.max_length is {length}, but distil.student reads {most} tokens at once; take another")
    return student, tokenizer


def require_encoder(folder: Path) -> None:
    """Raise ValueError for a model folder that is no plain encoder."""
    from models.backbone import config_of, load_tokenizer, require_no_template
    from models.virtual_tokens import require_none

    require_none(config_of(folder))
    require_no_template(folder)
    if load_tokenizer(folder).mask_token_id is None:
        raise ValueError(f"{folder} is no encoder: its tokenizer has no token for a masked word; name one that is")


def _encoder(work: Work, rows: Rows, folder: Path) -> Path:
    """Where the encoder lies that the student begins as; one made here is saved into `folder`.

    Its tokenizer has seen the domain, general text and what the task is about; it has learned nothing yet.
    """
    from models.backbone import save
    from models.scratch import scratch

    settings, data = require_section(work.run.recipe), work.run.recipe.data
    if not isinstance(settings.student, Scratch):
        return find(settings.student, settings.sha256, work.settings, "distil.student")
    task = TASKS[work.run.recipe.task]
    asked = [text for row in rows for text in task.read(row)]
    corpora = [text for corpus in (data.corpus, data.replay.corpus) for text in training_texts(work, corpus)]
    save(*scratch(settings.student.scratch, [*asked, *corpora], work.run.recipe.seed), folder)
    return folder


def _plan(work: Work, teacher: Pair, student: Pair, rows: Rows) -> Plan:
    """The training rows, and the texts of the domain that the recipe asks for, with the teacher's answers to each."""
    from models.distillation import with_answers
    from models.objectives import label_plan
    from models.packing import IGNORED
    from models.predict import logits
    from models.schedule import Passes

    recipe, settings, task = work.run.recipe, require_section(work.run.recipe), TASKS[work.run.recipe.task]
    numbers, places = student[0].config.label2id, teacher[0].config.label2id
    more = _unlabelled(work, settings.corpus)
    texts = [*(task.read(row) for row in rows), *more]
    print(f"the teacher answers {len(rows):,} examples and {len(more):,} texts of {recipe.data.corpus}", flush=True)
    known = logits(*teacher, texts, progress("texts"))[:, [places[label] for label in sorted(places)]]
    labels = [*(numbers[row["label"]] for row in rows), *[IGNORED] * len(more)]
    passes = Passes(recipe.finetune.batch_size // recipe.finetune.accumulation, settings.epochs, recipe.seed)
    plan = label_plan(student[1], texts, labels, passes)
    return with_answers(plan, known, settings.temperature, settings.weight)


def _unlabelled(work: Work, most: int) -> list[tuple[str, ...]]:
    """Texts of the domain, chosen by hash, so that adding texts changes little of them."""
    if not most:
        return []
    return [(text,) for text in sorted(training_texts(work, work.run.recipe.data.corpus), key=sha256_text)[:most]]


def _validation(work: Work, tokenizer: Any, held: Rows) -> Validation:
    from models.metrics import HIGHER_IS_BETTER
    from models.record import Validation

    task = TASKS[work.run.recipe.task]
    measure = label_measure(task, tokenizer, held)
    return Validation(measure, task.validated, HIGHER_IS_BETTER[task.validated])
