"""Rows that are to be released, in the data as they would be: looked at as a training will look at them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipelines.add_rows import write_added
from pipelines.batch_bench import present
from pipelines.batch_leaks import Change, Readings, leaks
from pipelines.errors import Refused
from pipelines.facts import SET_ASIDE
from pipelines.findings import Finding
from pipelines.judgement import Subject, findings_of, judged
from pipelines.measure import Measure
from pipelines.quarantine import Aside, Batch
from pipelines.recipe import Recipe
from pipelines.recipe_file import recipe_named
from pipelines.routing import targets
from pipelines.settings import Settings
from pipelines.sources import Source
from pipelines.suites import set_checks
from pipelines.tally import Tally

NAMED = 10  # rows named in a message


def require_sound(rows: Sequence[Aside], batch: Batch, added: Path, scratch: Path, settings: Settings) -> None:
    """Raise Refused, naming the key of each limit, where no training would accept the data with these rows.

    `added` holds the rows, a line each. What is wrong with the data without them is not held against them.
    """
    recipe = _recipe(batch, settings)
    before, after = present(recipe, scratch / "present", settings), scratch / "after.jsonl"
    write_added(after, before.get(batch.target), batch.target, added, "refuse")
    read = Readings(recipe, scratch / "read", print)
    new = {batch.target: [Source(batch.batch, added)]}
    change = Change(read, before, {**before, batch.target: after}, new)
    found = [finding for finding in (*_of_rows(batch.target, change), *leaks(change)) if finding.severity != "warn"]
    if found:
        said = "\n".join(f"- {finding.message}{_which(finding, rows, batch)}; {finding.cure}" for finding in found)
        raise Refused(
            f"nothing is released: with these rows {recipe.name} could not learn from {batch.target} any more\n{said}"
        )


def listed(numbers: Sequence[int]) -> str:
    """Numbers of rows in words, ten at most."""
    more = f" and {len(numbers) - NAMED} more" if len(numbers) > NAMED else ""
    return ", ".join(map(str, numbers[:NAMED])) + more


def _recipe(batch: Batch, settings: Settings) -> Recipe:
    """The recipe that the rows came for: its limits are those that a training will keep."""
    recipe = recipe_named(batch.recipe, settings)
    if batch.target not in (files := targets(recipe).values()):
        raise Refused(
            f"{recipe.name} reads no {batch.target} any more, for which these rows came, but {', '.join(files)}; "
            "ingest them for one of those"
        )
    return recipe


def _of_rows(target: str, change: Change) -> list[Finding]:
    """What sets rows aside, in the file as it would be, and was less before."""
    tally = change.read.of(target, change.after)
    measures = _measures(tally)
    checks = [check for check in set_checks(tally) if check.name in measures]
    found = list(findings_of(judged(Subject(target, measures, checks))))
    old = _measures(change.read.of(target, change.before)) if found and change.had(target) else {}
    return [finding for finding in found if finding.check not in old or finding.rows > old[finding.check].rows]


def _measures(tally: Tally) -> dict[str, Measure]:
    found = {name: tally.measures[name] for name in SET_ASIDE} | {"set_aside": Measure(tally.set_aside)}
    for measure in found.values():
        measure.of = tally.rows
    return found


def _which(finding: Finding, rows: Sequence[Aside], batch: Batch) -> str:
    """The rows of the batch that it is about, where that is known."""
    shown = [rows[place.line - 1].number for place in finding.examples if place.file == batch.batch and place.line]
    numbers = [row.number for row in rows if finding.check in row.checks] or sorted(set(shown))
    return f" (rows {listed(numbers)} of the batch)" if numbers else ""
