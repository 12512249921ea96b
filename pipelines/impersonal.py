"""What may be shown: names and texts without personal data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pipelines.data_summary import Summary

HIDDEN = "(personal data)"


def impersonal_names(summary: Summary) -> Summary:
    """The summary with the rows of every name that is personal data under HIDDEN."""
    counts = {}
    for column, counted in summary.counts.items():
        counts[column] = Counter[str]()
        for (name, rows), good in zip(counted.items(), impersonal(list(counted)), strict=True):
            counts[column][name if good else HIDDEN] += rows
    return summary.model_copy(update={"counts": {column: dict(counted) for column, counted in counts.items()}})


def impersonal(texts: Sequence[str]) -> list[bool]:
    """Which texts hold no personal data."""
    import polars as pl

    from pipelines.personal_data import find

    personal = set(find(pl.Series(texts, dtype=pl.String))["position"])
    return [position not in personal for position in range(len(texts))]
