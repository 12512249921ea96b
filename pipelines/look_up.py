"""What a finder knows about the question of a dialog, beside it as `context`: to learn from, or to answer with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from models.tasks import TASKS
from models.tasks.dialog import DIALOG, context, question, unanswered
from models.tasks.task import Row
from pipelines.errors import Refused
from pipelines.predict import answered, load_champion, misshapen, parsed
from pipelines.settings import Settings


def look_up_lines(  # noqa: PLR0913
    finder: str, lines: Iterable[str], source: str, settings: Settings, *, top: int, replace: bool
) -> Iterator[dict[str, Any]]:
    """Yield each dialog whole, with the answers that a finder's champion gives to its last question, the best first.

    `context_from` names the version that was asked. Raises Refused naming source and line for a row that is no dialog
    or, unless it is to be replaced, has a context; and for a finder that finds no answers.
    """
    with load_champion(finder, settings) as (model, version):
        _require_finder(finder, model.model_config["task"])
        rows = parsed(lines, source, partial(problem_of, replace=replace))
        for row, found in answered(model, rows, searched):
            yield row | looked_up(found, f"models:/{finder}/{version}", top)


def _require_finder(name: str, task: str) -> None:
    if TASKS[task].answer != "passage":
        known = ", ".join(other for other, told in TASKS.items() if told.answer == "passage")
        raise Refused(f"{name} is of the task {task}, and finds no answers; name a recipe of the task {known}")


def problem_of(row: Any, *, replace: bool) -> str | None:
    """Why nothing can be looked up for a row, and what to do; None when it can be."""
    if problem := misshapen(row, DIALOG):
        return problem
    try:
        unanswered(row)
    except ValueError as error:
        return str(error)
    if context(row) and not replace:
        return "it has a context; leave the row out, or give --replace to look up another in its place"
    return None


def searched(row: Row) -> dict[str, str]:
    """What a finder is asked about a dialog: what its user said last."""
    return {"question": question(unanswered(row))[0]}


def looked_up(found: Mapping[str, Any], source: str, top: int) -> dict[str, Any]:
    """The columns that a dialog gets from what a finder says."""
    return {"context": [one["answer"] for one in found["answers"][:top]], "context_from": source}
