"""The data report: what came, what is wrong with it, what it holds, and what is other than before. It works offline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from pipelines.data_plots import plots_of, same_of
from pipelines.data_summary import FileCame, Picture, Summary
from pipelines.drift import Drift, Shift, drift
from pipelines.findings import Finding, Place, Result
from pipelines.impersonal import impersonal, impersonal_names
from pipelines.page import render

if TYPE_CHECKING:
    from pipelines.version_history import Change

FILES, SAMPLED = 50, 10  # files that are listed of a set, and that rows are shown of
PLACES = 8  # lines of a file that are named with a finding
NAME = 80  # characters
SEVERITY = {"reject": "refused for it", "quarantine": "rows set aside", "warn": "warning"}


@dataclass(frozen=True)
class Part:
    """A set of files in a report; `earlier` says in words what `before` is of, or why there is none."""

    name: str
    picture: Picture
    before: Summary | None
    earlier: str
    change: Change | None = None


def data_page(title: str, at: str, result: Result, parts: Sequence[Part]) -> str:
    """The report of some files that were checked, as HTML; `at` is when."""
    return render(
        "data.html",
        title=title,
        at=at,
        verdict=verdict(result),
        tiles=_tiles(result, parts),
        findings=[_finding(finding) for finding in result.findings],
        parts=[_part(part) for part in parts],
    )


def verdict(result: Result) -> str:
    """What was decided, in a sentence."""
    warnings = sum(finding.severity == "warn" for finding in result.findings)
    also = f", with {warnings} warning{'s' if warnings > 1 else ''}" if warnings else ""
    if result.verdict == "reject":
        reasons = [finding.check for finding in result.findings if finding.severity == "reject"]
        return f"Refused: nothing of it may be used until it is mended ({', '.join(reasons)})."
    if result.verdict == "quarantine":
        aside = f"{result.quarantined:,} of {result.rows:,} rows are set aside for a person to decide"
        return f"Accepted in part: {aside}, the rest may be used{also}."
    return f"Accepted: all {result.rows:,} rows may be used{also}."


def _tiles(result: Result, parts: Sequence[Part]) -> list[tuple[str, str, str]]:
    files = [file for part in parts for file in part.picture.files]
    refused = sum(file.refused is not None for file in files)
    rows = result.rows or 1
    return [
        ("Files", f"{len(files):,}", f"{refused:,} could not be read" if refused else "all could be read"),
        ("Rows", f"{result.rows:,}", f"{sum(file.wrong for file in files):,} not of the format"),
        ("Accepted", f"{result.accepted:,}", f"{result.accepted / rows:.1%} of the rows"),
        ("Set aside", f"{result.quarantined:,}", f"{result.quarantined / rows:.1%} of the rows"),
    ]


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "word": SEVERITY[finding.severity],
        "severity": finding.severity,
        "check": finding.check,
        "message": finding.message,
        "places": list(_places(finding.examples)),
        "cure": finding.cure,
    }


def _places(places: Iterable[Place]) -> Iterable[str]:
    """The first places of each of the first three files in a line."""
    files = [(name, list(some)) for name, some in groupby(places, key=lambda place: place.file)]
    for name, some in files[:3]:
        lines = [str(p.line) + (f" ({p.field})" if p.field else "") for p in some if p.line is not None]
        more = ", ..." if len(lines) > PLACES else ""
        yield name + (f" line {', '.join(lines[:PLACES])}{more}" if lines else "")


def _part(part: Part) -> dict[str, Any]:
    summary, files = impersonal_names(part.picture.summary), sorted(part.picture.files, key=_worst)
    before = impersonal_names(part.before) if part.before and part.before.rows and summary.rows else None
    moved = drift(before, summary) if before else None
    return {
        "name": part.name,
        "rows": summary.rows,
        "plots": plots_of(summary, before),
        "same": same_of(summary, before),
        "drift": _drift(moved) if moved else None,
        "earlier": part.earlier,
        "change": str(part.change) if part.change else None,
        "files": [_listed(file, shown=number < SAMPLED) for number, file in enumerate(files[:FILES])],
        "more": max(0, len(files) - FILES),
    }


def _worst(file: FileCame) -> tuple[bool, int]:
    return file.refused is None, -file.wrong - file.aside


def _listed(file: FileCame, *, shown: bool) -> FileCame:
    """Without samples that hold personal data, or with none."""
    kept = impersonal([f"{sample.text}\n{sample.label or ''}" for sample in file.samples])
    samples = [sample for sample, good in zip(file.samples, kept, strict=True) if good and shown]
    return file.model_copy(update={"samples": tuple(samples)})


def _drift(found: Drift) -> dict[str, Any]:
    shifts = [shift.model_dump() | {"clearly": shift.clear, "told": _told(shift, found)} for shift in found.shifts]
    return {
        "rows": found.rows,
        "clearly": [shift.what for shift in found.shifts if shift.clear],
        "shifts": shifts,
        "words": found.words,
    }


def _told(shift: Shift, found: Drift) -> list[str]:
    name = shift.what.removeprefix("length of the ")
    if shift.what != name:
        before, now = found.medians[name]
        return [f"median about {before:,.0f} → {now:,.0f} characters"]
    return [f"{moved.name[:NAME]} {moved.before:.1%} → {moved.now:.1%}" for moved in shift.moved[:3]]
