"""The texts of a row, whatever its format: what somebody wrote, not what tells which row it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.text_form import spaced

ABOUT = frozenset(
    ("id", "lang", "source_lang", "target_lang", "label", "labels", "split", "domain", "group", "category", "role",
     "licence", "timestamp", "user_id", "item_id", "context_from")
)  # fmt: skip
# What was looked up for a row is somebody else's word: many rows have it, and are no copies of one another.
GIVEN = frozenset(("context",))
TELLING = 24  # characters in spaced form: shorter texts ("Thank you!") stand in many rows that have nothing in common


def texts_of(row: Mapping[str, Any]) -> list[str]:
    """Every text of a row, those within lists and objects too; columns that only describe the row are left out."""
    return list(strings_in(dict(row)))


def telling(row: Mapping[str, Any]) -> list[str]:
    """The texts by which copies of a row are known: its longest one, and each that is more than a phrase."""
    texts = list(strings_in(dict(row), ABOUT | GIVEN))
    longest = max(texts, key=len, default="")
    return [text for text in texts if text and (text == longest or len(spaced(text)) >= TELLING)]


def said(row: Mapping[str, Any]) -> list[str]:
    """All that a row says in spaced form, by which it is the same row under another id; empty when it is a phrase.

    The short texts too, beside a long one: answers that many questions share are long, and the questions are short.
    """
    forms = sorted({spaced(text) for text in strings_in(dict(row), ABOUT | GIVEN)} - {""})
    return forms if any(len(form) >= TELLING for form in forms) else []


def strings_in(value: Any, without: frozenset[str] = ABOUT) -> Iterator[str]:
    """The strings of a JSON value, except those of columns that are left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name not in without:
                yield from strings_in(inner, without)
    elif isinstance(value, list):
        for inner in value:
            yield from strings_in(inner, without)
