"""The champion at work: rows in, predictions out, in the task's own format."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from pipelines.errors import Refused
from pipelines.settings import Settings

BATCH = 64


def predict_lines(recipe: str, lines: Iterable[str], source: str, settings: Settings) -> Iterator[dict[str, Any]]:
    """Yield each input row with what the champion says of it. Loading verifies every byte of the champion.

    Raises Refused naming source and line for a row that is not one of the task, and for a recipe that there is not.
    """
    with load_champion(recipe, settings) as model:
        fields = list(model.metadata.get_input_schema().input_names())
        rows = read_rows(lines, source, fields)
        while batch := list(islice(rows, BATCH)):
            predictions = model.predict([{field: row[field] for field in fields} for row in batch])
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


def read_rows(lines: Iterable[str], source: str, fields: list[str]) -> Iterator[dict[str, Any]]:
    """Parse JSON lines, keeping the task's fields and `id`; blank lines are passed over."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise Refused(f"{source}, line {number}: not JSON ({error}); one object a line is expected") from None
        missing = [f for f in fields if not isinstance(row, dict) or not isinstance(row.get(f), str)]
        if missing:
            raise Refused(f"{source}, line {number}: {missing[0]!r} must be a text; the task takes {', '.join(fields)}")
        yield {key: row[key] for key in ("id", *fields) if key in row}
