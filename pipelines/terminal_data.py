"""What a person reads about versions of the data, and the JSON that a script reads instead."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from pipelines import terminal
from pipelines.terminal import console

if TYPE_CHECKING:
    from pipelines.batch import Outcome
    from pipelines.verify_remote import Problem
    from pipelines.version_diff import FileDiff
    from pipelines.version_history import Change, Record


WORDS = ("added", "replaced", "removed")


def events(found: Sequence[Record], current: str, *, as_json: bool) -> None:
    """One line an event, newest first; the one that made the current version current is marked."""
    newest = max((event.sequence for event in found if event.md5 == current), default=None)
    if as_json:
        _json([_event(event) | {"current": event.sequence == newest} for event in reversed(found)])
        return
    if newest is None:
        console.print(f"current: {current}, which is not recorded yet; the next change of the data records it")
    table = Table(box=None)
    for title in ("", "version", "when", "", "rows", "changes"):
        table.add_column(title, no_wrap=True)
    table.add_column("by, why")
    for event in reversed(found):
        mark, changes, why = (
            "*" if event.sequence == newest else "",
            _changes(event.changes),
            f"{event.by}: {event.reason}",
        )
        table.add_row(mark, event.md5[:12], event.at[:16], event.event, f"{event.rows:,}", changes, escape(why))
    if found:
        console.print(table)


def version(found: Sequence[Record], md5: str, *, as_json: bool) -> None:
    """A version's files, and each time it became current."""
    if as_json:
        _json({"md5": md5, "events": [_event(event) for event in found]})
        return
    console.print(f"[bold]{md5}[/]")
    for event in found:
        console.print(f"{event.event} {event.at} by {event.by}: {event.reason}", soft_wrap=True, markup=False)
        console.print(f"  after {event.parent or 'nothing'}", soft_wrap=True)
        for name, change in event.changes.items():
            console.print(f"  {name}: {change}", soft_wrap=True)
        for source in event.sources:
            console.print(f"  from {source}", soft_wrap=True)
        if event.verdict:
            console.print(f"  validation said: {event.verdict}")
    if found:
        table = Table("file", "rows", "bytes", "md5", box=None)
        for name, facts in found[0].files.items():
            table.add_row(name, "" if facts.rows is None else f"{facts.rows:,}", f"{facts.size:,}", facts.md5)
        console.print(table)


def difference(found: Sequence[FileDiff], *, as_json: bool) -> None:
    """Each file that differs, with counts and examples of ids."""
    if as_json:
        _json([file.model_dump(mode="json") for file in found])
        return
    if not found:
        console.print("no difference")
    for file in found:
        console.print(f"[bold]{file.file}[/] {file.state}", soft_wrap=True)
        for word in ("added", "removed", "changed"):
            rows = getattr(file, word)
            if rows.count:
                more = ", ..." if rows.count > len(rows.ids) else ""
                console.print(f"  {word:8s} {rows.count:,}: {', '.join(rows.ids)}{more}", soft_wrap=True, markup=False)
        for word in ("labels", "lengths"):
            if said := getattr(file, word):
                console.print(f"  {word:8s} {said}", soft_wrap=True, markup=False)


def problem(found: Problem) -> None:
    """What is wrong with an object of the DVC remote, and what healed it or what will."""
    console.print(f"{found.state}: {found.file} ({found.object})", soft_wrap=True, markup=False)
    console.print(f"  needed by {', '.join(md5[:12] for md5 in found.versions)}", soft_wrap=True)
    said = f"healed from {found.source}" if found.source else f"-> {found.cure}"
    console.print(f"  {said}", soft_wrap=True, markup=False)


def remote(versions: Sequence[str], problems: Sequence[Problem], *, as_json: bool) -> None:
    """How much was looked at, and how much was wrong."""
    if as_json:
        _json({"versions": list(versions), "problems": [found.model_dump(mode="json") for found in problems]})
        return
    healed = sum(found.source is not None for found in problems)
    console.print(f"all objects of {len(versions)} versions hashed: {len(problems)} wrong, {healed} of them healed")


def ingested(found: Outcome | None, *, as_json: bool) -> None:
    """What came of a batch: what was found, what changed, the version, and what to do about the rest."""
    if as_json:
        _json(_ingested(found))
        return
    if found is None:
        console.print("nothing new")
        return
    if found.result:
        terminal.checked(found.result, as_json=False)
    for name, rows in found.targets.items() if found.state == "accepted" else ():
        console.print(f"  {name}: {rows:,} rows came, {found.changes.get(name) or 'none of them new'}", soft_wrap=True)
    for name in found.quarantine:
        console.print(f"set aside, for you to decide about: scriptorium quarantine show {name}", soft_wrap=True)
    console.print(f"report: {found.report}", soft_wrap=True)
    if found.state == "refused":
        console.print(
            "nothing was changed. Mend, replace or remove these files at their source, then ingest again: the others "
            "of the batch are remembered and checked with them",
            soft_wrap=True,
        )
    else:
        console.print(f"current version: {found.md5}")


def _ingested(found: Outcome | None) -> dict[str, Any]:
    if found is None:
        return {"state": "nothing new"}
    said = found.model_dump(
        mode="json", include={"id", "state", "targets", "md5", "changes", "quarantine", "report", "result"}
    )
    return said | {"files": len(found.batch.files)}


def _event(event: Record) -> dict[str, Any]:
    return event.model_dump(mode="json") | {"rows": event.rows}


def _changes(changes: Mapping[str, Change]) -> str:
    """Added, replaced and removed rows of all files: +12 ~3 -1."""
    sums = {mark: sum(getattr(c, word) for c in changes.values()) for mark, word in zip("+~-", WORDS, strict=True)}
    return " ".join(f"{mark}{count:,}" for mark, count in sums.items() if count)


def _json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))
