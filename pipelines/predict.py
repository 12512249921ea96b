"""The champion at work: rows in, predictions out, in the task's own format."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from models.tasks import TASKS
from models.tasks.task import Task
from pipelines.errors import Refused
from pipelines.formats import FORMATS
from pipelines.rows import problems
from pipelines.settings import Settings

BATCH = 64


def predict_lines(recipe: str, lines: Iterable[str], source: str, settings: Settings) -> Iterator[dict[str, Any]]:
    """Yield each input row with what the champion says of it. Loading verifies every byte of the champion.

    Raises Refused naming source and line for a row that is not one of the task, and for a recipe that there is not.
    """
    with load_champion(recipe, settings) as model:
        task = TASKS[model.model_config["task"]]
        rows = read_rows(lines, source, task, model.metadata.get_input_schema().input_names())
        while batch := list(islice(rows, BATCH)):
            predictions = model.predict([{name: row.get(name) for name in task.columns} for row in batch])
            for row, prediction in zip(batch, predictions, strict=True):
                yield row | prediction


@contextmanager
def load_champion(recipe: str, settings: Settings) -> Iterator[Any]:
    """The model that was promoted last, as MLflow serves it. Raises Refused when there is none yet."""
    from pipelines.champion import champion, load, require_known

    require_known(recipe, settings)
    held = champion(recipe, settings)
    if held is None:
        raise Refused(f"{recipe} has no champion yet; make one with `scriptorium trigger {recipe}` and a review")
    with load(recipe, held.version, settings) as model:
        yield model


def read_rows(
    lines: Iterable[str], source: str, task: Task, takes: Collection[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Parse JSON lines, keeping the task's fields and `id`; blank lines are passed over.

    `takes` are the columns that a served version reads: MLflow drops others, and nobody would see it.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise Refused(f"{source}, line {number}: not JSON ({error}); one object a line is expected") from None
        if problem := wrong(row, task):
            raise Refused(f"{source}, line {number}: {problem}")
        kept = {key: row[key] for key in ("id", *task.columns) if key in row}
        unread = [name for name in task.optional if takes is not None and name not in takes and kept.get(name)]
        if unread:
            why = f"the champion does not read {unread[0]!r}, for it was made before models did"
            raise Refused(f"{source}, line {number}: {why}; leave it out, or train the recipe again")
        yield kept


def wrong(row: Any, task: Task) -> str | None:
    """Why a row cannot be answered, and what to do; None when it can."""
    form, fields = FORMATS[task.format], ", ".join((*task.inputs, *(f"{name} (optional)" for name in task.optional)))
    for name in task.inputs:
        is_text = form.model_fields[name].annotation is str
        if not isinstance(row, dict) or name not in row or (is_text and not isinstance(row[name], str)):
            return f"{name!r} must be {'a text' if is_text else 'a list'}; the task takes {fields}"
    for kind, column, what in problems(row, form):
        may_lack = kind == "missing_fields" and column in task.optional
        if column.split(".")[0] in task.columns and not may_lack:
            return f"{what}; the task takes {fields}"
    try:
        if task.ask:
            task.ask(row)
    except ValueError as error:
        return str(error)
    return None
