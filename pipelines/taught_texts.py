"""A writer's student: the training prompts, with what the teacher writes to each and with what people wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from models.tasks import TASKS
from pipelines.answers.text import bits_measure
from pipelines.artifact import canonical
from pipelines.errors import Refused
from pipelines.examples import Rows, training_rows
from pipelines.kept_texts import written
from pipelines.steps import Work
from pipelines.student import Lessons, Pair, passes, require_section, require_smaller, student_folder

if TYPE_CHECKING:
    from models.schedule import Plan


def lessons(work: Work) -> Lessons:
    """A smaller writer, and the teacher's answers to the training prompts beside those of the rows."""
    from models.methods import count
    from models.metrics import HIGHER_IS_BETTER
    from models.record import Validation
    from models.writers import load_writer

    task = TASKS[work.run.recipe.task]
    rows, held = training_rows(work)
    teacher = load_writer(work.inputs["teacher"] / "model")
    parameters = count(teacher[0])[0]
    student = _student(work, parameters, rows)  # before the teacher writes, which may take long: it may be refused
    plan = _plan(work, student, rows, _taught(work, teacher, rows))
    measure = bits_measure(task, student[1], held)
    return parameters, student, plan, Validation(measure, task.validated, HIGHER_IS_BETTER[task.validated])


def _student(work: Work, parameters: int, rows: Rows) -> Pair:
    from models.backbone import room
    from models.chat import require_usable
    from models.writers import load_writer

    recipe, task = work.run.recipe, TASKS[work.run.recipe.task]
    with TemporaryDirectory() as made:
        asked = [text for row in rows for text in (task.asked(row).text, str(row[task.target]))]
        folder = student_folder(work, asked, Path(made))
        try:
            require_writer(folder)
            student = load_writer(folder)
            if recipe.task == "dialog" and not student[0].config.is_encoder_decoder:
                require_usable(student[1])
        except ValueError as error:
            raise Refused(f"distil.student: {error}") from None
    require_smaller(student[0], room(student[0]), parameters, recipe)
    student[0].generation_config.max_new_tokens = recipe.finetune.max_new_tokens
    return student


def require_writer(folder: Path) -> None:
    """Raise ValueError for a model folder that is no plain decoder or encoder-decoder."""
    from models.backbone import config_of, load_encoder, require_no_template
    from models.text_state import looks_back
    from models.tokenizer import load_tokenizer
    from models.virtual_tokens import require_none

    require_none(config := config_of(folder))
    require_no_template(folder)
    tokenizer = load_tokenizer(folder)
    if not config.is_encoder_decoder and not looks_back(load_encoder(folder)[0]):
        raise ValueError(f"{folder} writes no texts: it is an encoder; name a decoder or an encoder-decoder")
    if tokenizer.eos_token_id is None or tokenizer.pad_token_id is None:
        raise ValueError(f"{folder}: its tokenizer has no token for the end of a text, or none to fill up with")


def _taught(work: Work, teacher: Pair, rows: Rows) -> list[str]:
    """What the teacher writes for each row, which is laid beside the student.

    Where it writes nothing, or is cut before its end, the reference: a student would learn to stop in mid-sentence.
    """
    from models.generate import most_written, too_long

    model, tokenizer = teacher
    most = most_written(model)
    task = TASKS[work.run.recipe.task]
    prompts = [task.asked(row) for row in rows]
    told = written(lambda: teacher, prompts, work.checkpoints / "answers", most)
    lines = (canonical({"id": row["id"], "answer": answer}) + "\n" for row, answer in zip(rows, told, strict=True))
    (work.out / "answers.jsonl").write_text("".join(lines), encoding="utf-8")
    whole = [answer if answer and not too_long(tokenizer, [answer], most) else "" for answer in told]
    if left := whole.count(""):
        print(
            f"the teacher wrote nothing, or no end, for {left:,} of {len(told):,} prompts, which keep their references"
        )
    return [answer or str(row[task.target]) for row, answer in zip(rows, whole, strict=True)]


def _plan(work: Work, student: Pair, rows: Rows, taught: Sequence[str]) -> Plan:
    """Every prompt once an epoch, with the teacher's answer as often as the recipe's weight says, else the row's."""
    from models import encoder_decoder, objectives
    from models.distillation import one_of_two

    recipe, settings, task = work.run.recipe, require_section(work.run.recipe), TASKS[work.run.recipe.task]
    model, tokenizer = student
    prompts: list[Any] = [task.asked(row) for row in rows]
    pairs = [
        *zip(prompts, taught, strict=True),
        *((p, str(row[task.target])) for p, row in zip(prompts, rows, strict=True)),
    ]
    drawn = one_of_two(len(rows), settings.weight, settings.epochs, recipe.seed)
    of_pairs = encoder_decoder.pair_plan if model.config.is_encoder_decoder else objectives.completion_plan
    return of_pairs(tokenizer, pairs, recipe.finetune.max_length, passes(recipe, drawn))
