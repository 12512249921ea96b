"""Markdown as Airflow's review form and the Hub show it: tables, and values in which nothing acts as markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

WIDTH = 160
MARKUP = re.compile(r"([\\`*_\[\]<>|~!#&$])")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in GitHub's Markdown; the cells must be escaped already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell(value: Any) -> str:
    """A text as one table cell: one line, shortened, and nothing in it acts as markup."""
    told = (", ".join(map(str, value)) or "no label") if isinstance(value, list) else "" if value is None else value
    text = " ".join(str(told).split())
    short = text if len(text) <= WIDTH else text[: WIDTH - 1].rstrip() + "…"
    return MARKUP.sub(r"\\\1", short)


def spread(score: Any, *, signed: bool) -> str:
    """A score with its interval where it has one: 0.7810 (0.7550 to 0.8040)."""
    plus = "+" if signed else ""
    if isinstance(score, Mapping) and score["low"] is None and score["value"] is not None:
        return f"{score['value']:{plus}.4f}"
    if isinstance(score, Mapping):
        ends = [score[end] for end in ("value", "low", "high")]
        if any(end is None for end in ends):
            return "-"
        value, low, high = ends
        return f"{value:{plus}.4f} ({low:{plus}.4f} to {high:{plus}.4f})"
    return "-" if score is None else f"{score:{plus}.4f}"
