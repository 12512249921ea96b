"""The files below data/ that `evaluate.behaviour` names: read strictly, a case a line."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, ValidationError, create_model

from models.tasks import TASKS
from models.tasks.task import Row, Task
from pipelines.behaviour_cases import Case
from pipelines.behaviour_recipe import CHANCE_WAYS, ways
from pipelines.errors import Refused, near_miss
from pipelines.examples import examples
from pipelines.formats import FORMATS
from pipelines.recipe import Recipe
from pipelines.rows import lines, parse

NAMED = 10  # problems that one refusal tells


def require_cases(dataset: Path, recipe: Recipe) -> None:
    """Raise Refused, naming file, line and field, unless every case of the recipe can be asked of its models."""
    cases_of(dataset, recipe)


def cases_of(dataset: Path, recipe: Recipe) -> list[Case]:
    """The cases of the recipe's files. Raises Refused naming file, line and field of what is none."""
    task, named = TASKS[recipe.task], recipe.evaluate.behaviour
    known = _labels(task, dataset, recipe) if named else None
    found: list[Case] = []
    problems: list[str] = []
    for name in named:
        path, before = dataset / name, len(found)
        if not path.is_file():
            raise Refused(f"evaluate.behaviour: data/ has no {name}; put it there, and `scriptorium data commit`")
        for number, line in lines(path):
            case = _case(line, task, known, {case.name for case in found})
            if isinstance(case, Case):
                found.append(case)
            else:
                problems += [f"{path}, line {number}: {problem}" for problem in case]
        if len(found) == before and not problems:
            problems.append(f"{path} has no cases; add some, or leave the file out of evaluate.behaviour")
    if problems:
        more = [f"and {len(problems) - NAMED} more"] if len(problems) > NAMED else []
        raise Refused("\n".join([*problems[:NAMED], *more]))
    return found


def _labels(task: Task, dataset: Path, recipe: Recipe) -> set[str] | None:
    """The labels that a model of the recipe can say; None where there are none."""
    if task.answer == "click":
        return {"0", "1"}
    if task.answer not in {"label", "labels"}:
        return None
    if recipe.data.labels:
        return set(recipe.data.labels)
    rows = examples(task, dataset / recipe.data.examples / "train.jsonl")
    return {str(label) for row in rows for label in (row["labels"] if task.answer == "labels" else [row["label"]])}


def _case(line: bytes, task: Task, known: Collection[str] | None, taken: set[str]) -> Case | list[str]:
    """The case of a line, or what is wrong with it."""
    row = parse(line)
    if isinstance(row, str):
        return [row]
    try:
        case = Case.model_validate(row)
    except ValidationError as error:
        return [_explain(found, Case.model_fields) for found in error.errors(include_url=False)]
    twice = [f"name: {case.name!r} is the name of another case; take one of its own"] if case.name in taken else []
    return [*twice, *_misfits(case, task, known)] or case


def _misfits(case: Case, task: Task, known: Collection[str] | None) -> Iterator[str]:
    """Why a case cannot be asked of a task's models, or its answer not be told: field, problem and cure."""
    for place, row in enumerate(case.asked):
        yield from _row_problems(task, row, f"variants.{place - 1}" if place else "row")
        if place and row == case.row:
            yield f"variants.{place - 1} changes nothing of row; change a column"
    if case.label is not None and known is None:
        yield f"label: {task.name} answers with no label; leave it out"
    elif case.label is not None:
        yield from (f"label: {problem}" for problem in _unknown(str(case.label), known))
    if case.kind == "minimum":
        yield from _minimum_problems(case, task, known)
    if case.kind == "directional":
        yield from _way_problems(case, task)


def _minimum_problems(case: Case, task: Task, known: Collection[str] | None) -> Iterator[str]:
    if task.answer in {"label", "click"}:
        if case.label is None:
            yield "label is missing: say what must be answered"
        if case.contains or case.lacks:
            yield f"contains and lacks are for texts and several labels; {task.name} has label"
        return
    if case.label is not None and known is not None:
        yield "label: a text may have several; say contains = [...], lacks = [...]"
    if not (case.contains or case.lacks):
        yield "contains or lacks is missing: say what must stand in the answer, or must not"
    for key in ("contains", "lacks") if known is not None else ():
        yield from (f"{key}: {problem}" for word in getattr(case, key) for problem in _unknown(word, known))


def _unknown(label: str, known: Collection[str] | None) -> list[str]:
    """That a label is none of those known; nothing where none are."""
    if known is None or label in known:
        return []
    return [f"{label[:40]!r} is no label of the training rows; {near_miss(label, known)}"]


def _way_problems(case: Case, task: Task) -> Iterator[str]:
    if not (able := ways(task)):
        yield f"kind: {task.name} has no direction, only minimum and invariance"
    elif case.goes not in able:
        met = "is missing" if case.goes is None else f"is {case.goes[:40]!r}"
        yield f"goes {met}; of {task.name} it takes one of {', '.join(able)}"
    elif case.goes in CHANCE_WAYS and case.label is None:
        yield "label is missing: say whose probability moves"


def _row_problems(task: Task, row: Row, place: str) -> Iterator[str]:
    """Why a row cannot be asked: the columns are those of the task's format, without the answer."""
    fields = FORMATS[task.format].model_fields
    columns: dict[str, Any] = {
        name: (fields[name].annotation, ... if name in task.inputs else None) for name in task.columns
    }
    form = create_model("Asked", __config__=ConfigDict(extra="forbid", strict=True), **columns)
    try:
        form.model_validate(dict(row))
    except ValidationError as error:
        for found in error.errors(include_url=False):
            yield f"{place}.{_explain(found, task.columns)}"
        return
    try:
        if task.answer == "text":
            task.asked(row)
    except ValueError as error:
        yield f"{place}.{error}"


def _explain(error: Any, allowed: Collection[str]) -> str:
    """A problem that pydantic found, with the field's place."""
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{place} is unknown; {near_miss(str(error['loc'][-1]), allowed)}"
    if error["type"] == "missing":
        return f"{place} is missing"
    return f"{place}: {error['msg'].removeprefix('Value error, ')}".removeprefix(": ")
