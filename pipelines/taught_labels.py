"""A classifier's student: the training rows, and unlabelled texts, with what the teacher says of each label."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from models.tasks import TASKS
from pipelines.answers.label import label_measure
from pipelines.errors import Refused
from pipelines.examples import Rows, training_rows
from pipelines.loop_progress import progress
from pipelines.self_training import unlabelled
from pipelines.steps import Work
from pipelines.student import Lessons, Pair, passes, require_section, require_smaller, student_folder

if TYPE_CHECKING:
    from models.record import Validation
    from models.schedule import Plan


def lessons(work: Work) -> Lessons:
    """A smaller classifier, and the teacher's logits for the training rows and the texts that the recipe asks for."""
    from models.backbone import load_classifier
    from models.methods import count

    teacher = load_classifier(work.inputs["teacher"] / "model")
    rows, held = training_rows(work)
    student = _student(work, teacher[0], rows)
    return count(teacher[0])[0], student, _plan(work, teacher, student, rows), _validation(work, student[1], held)


def _student(work: Work, teacher: Any, rows: Rows) -> Pair:
    """A smaller encoder or decoder with a new head for the teacher's labels, and its tokenizer."""
    from models.backbone import new_classifier, room
    from models.methods import count

    recipe, task = work.run.recipe, TASKS[work.run.recipe.task]
    labels, length = sorted(teacher.config.id2label.values()), recipe.finetune.max_length
    with TemporaryDirectory() as made:
        folder = student_folder(work, [text for row in rows for text in task.read(row)], Path(made))
        try:
            require_reader(folder)
            student, tokenizer = new_classifier(folder, labels, recipe.seed, length, len(task.texts))
        except ValueError as error:
            raise Refused(f"distil.student: {error}") from None
    require_smaller(student, room(student), count(teacher)[1], recipe)
    return student, tokenizer


def require_reader(folder: Path) -> None:
    """Raise ValueError for a model folder that is no plain encoder or decoder."""
    from models.backbone import config_of, require_no_template
    from models.virtual_tokens import require_none

    require_none(config := config_of(folder))
    require_no_template(folder)
    if config.is_encoder_decoder:
        raise ValueError(f"{folder} holds a {config.model_type}, an encoder-decoder; name an encoder or a decoder")


def _plan(work: Work, teacher: Pair, student: Pair, rows: Rows) -> Plan:
    """The training rows, and the texts of the domain that the recipe asks for, with the teacher's answers to each."""
    from models.distillation import with_answers
    from models.objectives import label_plan
    from models.packing import IGNORED
    from models.predict import logits

    recipe, settings, task = work.run.recipe, require_section(work.run.recipe), TASKS[work.run.recipe.task]
    numbers, places = student[0].config.label2id, teacher[0].config.label2id
    more = _unlabelled(work, settings.corpus)
    texts = [*(task.read(row) for row in rows), *more]
    print(f"the teacher answers {len(rows):,} examples and {len(more):,} texts of {recipe.data.corpus}", flush=True)
    known = logits(*teacher, texts, progress("texts"))[:, [places[label] for label in sorted(places)]]
    labels = [*(numbers[row["label"]] for row in rows), *[IGNORED] * len(more)]
    plan = label_plan(student[1], texts, labels, passes(recipe))
    return with_answers(plan, known, settings.temperature, settings.weight)


def _unlabelled(work: Work, most: int) -> list[tuple[str, ...]]:
    """Texts of the domain, which the teacher alone answers; none that stands in the examples, or nearly."""
    return [(text,) for text in unlabelled(work, most)] if most else []


def _validation(work: Work, tokenizer: Any, held: Rows) -> Validation:
    from models.metrics import HIGHER_IS_BETTER
    from models.record import Validation

    task = TASKS[work.run.recipe.task]
    measure = label_measure(task, tokenizer, held)
    return Validation(measure, task.validated, HIGHER_IS_BETTER[task.validated])
