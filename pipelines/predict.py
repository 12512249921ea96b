"""The champion at work: rows in, predictions out, in the task's own format."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from models.tasks import TASKS
from models.tasks.task import Row, Task
from pipelines.errors import Refused
from pipelines.formats import FORMATS
from pipelines.rows import problems, value
from pipelines.settings import Settings

BATCH = 64


def predict_lines(recipe: str, lines: Iterable[str], source: str, settings: Settings) -> Iterator[dict[str, Any]]:
    """Yield each input row with what the champion says of it. Loading verifies every byte of the champion.

    Raises Refused naming source and line for a row that is not one of the task, and for a recipe that there is not.
    """
    with load_champion(recipe, settings) as (model, _):
        task = TASKS[model.model_config["task"]]
        rows = read_rows(lines, source, task, model.metadata.get_input_schema().input_names())
        for row, prediction in answered(model, rows, lambda row: {name: row.get(name) for name in task.columns}):
            yield row | prediction


def answered(model: Any, rows: Iterator[dict[str, Any]], asked: Callable[[Row], Row]) -> Iterator[tuple[Any, Any]]:
    """Each row beside what the model says of it, asked in batches; `asked` is what a row asks the model."""
    while batch := list(islice(rows, BATCH)):
        yield from zip(batch, model.predict([asked(row) for row in batch]), strict=True)


@contextmanager
def load_champion(recipe: str, settings: Settings) -> Iterator[tuple[Any, str]]:
    """The model that was promoted last, as MLflow serves it, and its version. Raises Refused when there is none yet."""
    from pipelines.champion import champion, load, require_known

    require_known(recipe, settings)
    held = champion(recipe, settings)
    if held is None:
        raise Refused(f"{recipe} has no champion yet; make one with `scriptorium trigger {recipe}` and a review")
    with load(recipe, held.version, settings) as model:
        yield model, held.version


def read_rows(
    lines: Iterable[str], source: str, task: Task, takes: Collection[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Parse JSON lines, keeping the task's fields and `id`.

    `takes` are the columns that a served version reads: MLflow drops others, and nobody would see it.
    """
    for row in parsed(lines, source, lambda row: wrong(row, task) or _unread(row, task, takes)):
        yield {key: row[key] for key in ("id", *task.columns) if key in row}


def _unread(row: Row, task: Task, takes: Collection[str] | None) -> str | None:
    unread = [name for name in task.optional if takes is not None and name not in takes and row.get(name)]
    if not unread:
        return None
    why = f"the champion does not read {unread[0]!r}, for it was made before models did"
    return f"{why}; leave it out, or train the recipe again"


def parsed(lines: Iterable[str], source: str, problem_of: Callable[[Any], str | None]) -> Iterator[dict[str, Any]]:
    """Parse JSON lines; blank ones are passed over. Raises Refused naming source and line for one with a problem."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = value(line.encode())
        except ValueError as error:
            raise Refused(f"{source}, line {number}: {error}; one object a line is expected") from None
        if problem := problem_of(row):
            raise Refused(f"{source}, line {number}: {problem}")
        yield row


def wrong(row: Any, task: Task) -> str | None:
    """Why a row cannot be answered, and what to do; None when it can."""
    if problem := misshapen(row, task):
        return problem
    try:
        if task.ask:
            task.ask(row)
    except ValueError as error:
        return str(error)
    return None


def misshapen(row: Any, task: Task) -> str | None:
    """Which column that the task reads is not of its kind, or lacks; None when there is no such."""
    form, fields = FORMATS[task.format], ", ".join((*task.inputs, *(f"{name} (optional)" for name in task.optional)))
    for name in task.inputs:
        is_text = form.model_fields[name].annotation is str
        if not isinstance(row, dict) or name not in row or (is_text and not isinstance(row[name], str)):
            return f"{name!r} must be {'a text' if is_text else 'a list'}; the task takes {fields}"
    for kind, column, what in problems(row, form):
        may_lack = kind == "missing_fields" and column in task.optional
        if column.split(".")[0] in task.columns and not may_lack:
            return f"{what}; the task takes {fields}"
    return None
