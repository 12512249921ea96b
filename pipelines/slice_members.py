"""Which rows of the test set are in which slice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from models.tasks.task import Row, Task
from pipelines.errors import Refused
from pipelines.examples import examples
from pipelines.slice_recipe import LABEL, LANGUAGE, LENGTH, MONTH, Slice


def members(task: Task, rows: Sequence[Row], chosen: Slice) -> dict[str, list[int]]:
    """The places of the rows of each slice, by its value; a row may be in several, or in none."""
    if chosen.by is None:
        return {"": [place for place, row in enumerate(rows) if chosen.holds(row)]}
    if chosen.by == LENGTH:
        return _thirds(task, rows)
    found = defaultdict(list)
    for place, row in enumerate(rows):
        for value in dict.fromkeys(_values(task, row, chosen.by)):
            found[value].append(place)
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))


def require_slices(task: Task, path: Path, chosen: Sequence[Slice]) -> None:
    """Raise Refused for a slice that no row of the file is in, and say which columns there are."""
    rows = examples(task, path) if chosen else []
    for number, one in enumerate(chosen):
        if not any(members(task, rows, one).values()):
            columns = ", ".join(sorted({name for row in rows for name in row}))
            what = f"by = {one.by!r}" if one.by else f"{one.name!r}, of the column {one.column!r}"
            raise Refused(f"evaluate.slices.{number}: no row of {path} is in {what}; its columns are {columns}")


def _values(task: Task, row: Row, by: str) -> Iterator[str]:
    """What a row has of something: one value mostly, none where it lacks it, several of a list."""
    if by == LANGUAGE:
        langs = [row.get(name) for name in ("lang", "source_lang", "target_lang")]
        yield from [" to ".join(str(lang) for lang in langs if lang)] if any(langs) else []
        return
    if by == MONTH:
        yield from _month(row.get("timestamp"))
        return
    value = row.get(task.target if by == LABEL else by)
    several = value if isinstance(value, list) else [value]
    yield from (str(one) for one in several if isinstance(one, str | int | float))
    if by == LABEL and value == []:
        yield "no label"


def _month(when: object) -> Iterator[str]:
    """The month of a moment, in UTC; none of what no calendar knows, which validation has warned of."""
    with suppress(ValueError, OverflowError, OSError):
        if isinstance(when, str):
            moment = datetime.fromisoformat(when)
            yield f"{moment.astimezone(UTC) if moment.tzinfo else moment:%Y-%m}"
        elif isinstance(when, int | float):
            yield f"{datetime.fromtimestamp(when, UTC):%Y-%m}"


def _thirds(task: Task, rows: Sequence[Row]) -> dict[str, list[int]]:
    """The short, the middle and the long third, by the characters that the model reads; equal lengths stay together."""
    sizes = [sum(map(len, task.read(row))) for row in rows]
    low, high = (sorted(sizes)[len(sizes) * part // 3] for part in (1, 2)) if sizes else (0, 0)
    names = f"up to {low:,} characters", f"{low + 1:,} to {high:,} characters", f"over {high:,} characters"
    found = {name: [n for n, size in enumerate(sizes) if (size > low) + (size > high) == third]
             for third, name in enumerate(names)}  # fmt: skip
    return {name: places for name, places in found.items() if places}
