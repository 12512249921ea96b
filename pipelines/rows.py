"""The formats of the data: JSON lines, one object a line, each a row of its kind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.errors import Refused


class Row(BaseModel):
    """What every row has. Further columns are allowed and kept; a number is not taken for a text."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)
    id: str = Field(min_length=1)
    lang: str


class Unlabeled(Row):
    """A text of a corpus; rows with split "heldout" measure bits per byte and are never trained on."""

    text: str
    domain: str
    split: str = Field("train", pattern="^(train|heldout)$")


class PairClassification(Row):
    """Two texts and a label."""

    text_a: str
    text_b: str
    label: str = Field(min_length=1)


class Generation(Row):
    """A prompt and the text that should follow it."""

    prompt: str
    completion: str


FORMATS: Mapping[str, type[Row]] = {
    "unlabeled": Unlabeled,
    "pair_classification": PairClassification,
    "generation": Generation,
}


def read_rows(path: Path) -> list[dict[str, Any]]:
    """All rows of a validated file. Raises Refused naming file and line for one that is no JSON object."""
    rows = []
    for number, line in lines(path):
        row = parse(line)
        if isinstance(row, str):
            raise Refused(f"{path}, line {number}: {row}; run validate for all problems of the file")
        rows.append(row)
    return rows


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each line. Only a line feed ends one: texts may hold U+2028 and other separators."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise Refused(f"{path} is missing; the recipe names it, so put it there or correct the recipe") from None
    for number, line in enumerate(content.split(b"\n"), 1):
        if line:
            yield number, line


def parse(line: bytes) -> dict[str, Any] | str:
    """The JSON object of a line, or what is wrong with it. NaN and repeated keys are refused: JSON has neither."""
    try:
        row = json.loads(line.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        return f"not UTF-8 at byte {error.start + 1}; save the file as UTF-8"
    except json.JSONDecodeError as error:
        return f"not JSON: {error.msg} (character {error.pos + 1})"
    except ValueError as error:
        return f"not JSON: {error}"
    return row if isinstance(row, dict) else f"a JSON {type(row).__name__}, not an object"


def problem(row: dict[str, Any], form: type[Row]) -> str | None:
    """Why a row is not of its format, naming column and value, or None."""
    try:
        form.model_validate(row)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        column = ".".join(str(part) for part in first["loc"])
        if first["type"] == "missing":
            return f"column {column!r} is missing; a row has {', '.join(required(form))}"
        return f"column {column!r} is {_short(first['input'])}: {first['msg']}"
    return None


def required(form: type[Row]) -> list[str]:
    """The columns that a row of a format must have."""
    return [name for name, field in form.model_fields.items() if field.is_required()]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(k for k in keys if keys.count(k) > 1)!r} stands twice in one object")
    return found
