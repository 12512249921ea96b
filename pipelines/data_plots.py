"""The plots of a summary of data: what its rows are counted by, now and before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipelines.data_summary import OTHERS, Summary, shortest
from pipelines.drift import median
from pipelines.plots import bars, histogram, timeline

BARS = 10  # at most
PERIODS = 60
TITLES = {
    "label": "Labels",
    "language": "Languages",
    "script": "Scripts",
    "domain": "Domains",
    "topic": "Topics",
    "category": "Categories",
    "split": "Splits",
}


@dataclass(frozen=True)
class Plot:
    """A plot, and what is above it."""

    title: str
    note: str
    svg: Markup


def plots_of(now: Summary, before: Summary | None) -> list[Plot]:
    """The plots of what the rows have."""
    found = []
    for name, steps in now.lengths.items():
        found.append(_lengths(name, steps, before.lengths.get(name) if before else None))
    same = {name for name, _ in same_of(now, before)}
    for name, title in TITLES.items():
        if (counted := now.counts.get(name)) and name not in same:
            found.append(_shares(title, counted, before.counts.get(name, {}) if before else None))
    if months := now.counts.get("month"):
        found.append(_times({name: rows for name, rows in months.items() if name != OTHERS}))
    return found


def same_of(now: Summary, before: Summary | None) -> list[tuple[str, str]]:
    """What is the same for all rows, those of before too; that needs no plot."""
    found = []
    for name in TITLES:
        held = {**now.counts.get(name, {}), **(before.counts.get(name, {}) if before else {})}
        if len(held) == 1 and sum(now.counts.get(name, {}).values()) == now.rows:
            found.append((name, next(iter(held))))
    return found


def _lengths(name: str, now: Mapping[int, int], before: Mapping[int, int] | None) -> Plot:
    steps = range(min([*now, *(before or ())]), max([*now, *(before or ())]) + 1)
    heights = [
        (shortest(step), shortest(step + 1), share) for step, share in zip(steps, _percent(now, steps), strict=True)
    ]
    title = f"Length of the {name}"
    note = f"median about {median(now):,.0f} characters" + (f", before {median(before):,.0f}" if before else "")
    return Plot(title, note, histogram(heights, "characters", _percent(before, steps) if before else ()))


def _percent(counted: Mapping[int, int], steps: Sequence[int]) -> list[float]:
    total = sum(counted.values()) or 1
    return [100 * counted.get(step, 0) / total for step in steps]


def _shares(title: str, now: Mapping[str, int], before: Mapping[str, int] | None) -> Plot:
    """The names in most rows; those that were there and are no more follow."""
    gone = [name for name in (before or {}) if name not in now]
    names = [*now, *gone][:BARS]
    total, earlier = sum(now.values()), sum((before or {}).values()) or 1
    rows = [
        (name, 100 * now.get(name, 0) / total, None if before is None else 100 * before.get(name, 0) / earlier)
        for name in names
    ]
    notes = [f"{share:.1f}% ({now.get(name, 0):,})" for name, share, _ in rows]
    more = len(now) + len(gone) - len(names)
    note = f"{len(now):,} in all" + (f", {more:,} of them not shown" if more else "") if more else ""
    return Plot(title, note, bars(rows, notes))


def _times(months: Mapping[str, int]) -> Plot:
    """Rows by month, or by year where there are many months; a period without rows has its place."""
    first, last = _number(min(months)), _number(max(months))
    if last - first < PERIODS:
        periods = [(f"{at // 12:04d}-{at % 12 + 1:02d}") for at in range(first, last + 1)]
        heights = [(period, months.get(period, 0)) for period in periods]
    else:
        heights = [
            (str(year), sum(rows for month, rows in months.items() if int(month[:4]) == year))
            for year in range(first // 12, last // 12 + 1)
        ]
    note = f"{sum(months.values()):,} rows with a timestamp, {min(months)} to {max(months)}"
    return Plot("Timestamps", note, timeline(heights))


def _number(month: str) -> int:
    return 12 * int(month[:4]) + int(month[5:7]) - 1
