"""Strict reading of JSON lines into the formats of the data."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from math import isinf
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipelines.errors import Refused, meant
from pipelines.formats import FORMATS, Row, allowed_values

__all__ = ["FORMATS", "Row", "lines", "parse", "problems", "read_rows", "required", "value"]


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
    """The JSON object of a line, or what is wrong with it."""
    try:
        row = value(line)
    except ValueError as error:
        return str(error)
    return row if isinstance(row, dict) else f"a JSON {type(row).__name__}, not an object"


def value(text: bytes) -> Any:
    """The value of a JSON text by RFC 8259: no NaN, no repeated key, no half surrogate, no number beyond all floats.

    Raises ValueError saying what is wrong.
    """
    try:
        found = json.loads(text.decode(), parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_once)
        if b"\\u" in text:
            json.dumps(found, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        why = f"not UTF-8 at byte {error.start + 1}; save the file as UTF-8"
    except json.JSONDecodeError as error:
        why = f"not JSON: {error.msg} (character {error.pos + 1})"
    except UnicodeEncodeError:
        why = "not JSON: an escape \\uD800 to \\uDFFF without its other half is no character"
    except RecursionError:
        why = "not JSON that can be read: brackets are nested too deeply"
    except ValueError as error:
        why = f"not JSON: {error}"
    else:
        return found
    raise ValueError(why)


def problems(row: dict[str, Any], form: type[Row]) -> list[tuple[str, str, str]]:
    """Why a row is not of its format: a list of ("missing_fields" or "types", column, what is wrong)."""
    try:
        form.model_validate(row)
    except ValidationError as error:
        return [_problem(found, form) for found in error.errors(include_url=False)]
    return []


def required(form: type[Row]) -> list[str]:
    """The columns that a row of a format must have."""
    return [name for name, field in form.model_fields.items() if field.is_required()]


def _problem(error: Any, form: type[Row]) -> tuple[str, str, str]:
    column = ".".join(str(part) for part in error["loc"])
    if error["type"] == "missing":
        return "missing_fields", column, f"column {column!r} is missing; a row has {', '.join(required(form))}"
    what = f"column {column!r} is {_kind(error['input'])}"
    if error["type"] == "literal_error":
        allowed = allowed_values(form, column)
        near = meant(str(error["input"]), allowed)
        return "types", column, f"{what} that is none of {', '.join(allowed)}" + (f"; {near}" if near else "")
    return "types", column, f"{what}: {error['msg']}"


def _kind(value: Any) -> str:
    """A value in a word; its content stays unsaid, for it may be personal."""
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", list: "a list"}
    if value is None:
        return "null"
    return "an empty text" if value == "" else names.get(type(value), "an object")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if isinf(number):
        raise ValueError("a number is too large to be kept")
    return number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        key, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"key {key[:40]!r} stands twice in one object")
    return found
