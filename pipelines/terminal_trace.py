"""What a person reads about where rows are and were, and the JSON that a script reads instead."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pipelines.terminal import console

if TYPE_CHECKING:
    from pipelines.forget import Answer
    from pipelines.lineage import Candidate
    from pipelines.quarantine import Batch, Glimpse
    from pipelines.trace import Held, Reader, Trace

ROWS, COPIES = 5, 20  # named in a terminal


def traced(found: Trace, *, as_json: bool) -> None:
    """Versions with places, runs with what they did, candidates and champions; then what was not looked at."""
    if as_json:
        print(found.model_dump_json(indent=2))
        return
    if not found.versions:
        _say(f"no row with this id or text in the {len(found.searched)} versions searched")
    for version in found.versions:
        state = "current" if version.current else "not current"
        _say(f"version {version.md5[:12]} ({state}, {version.at or 'not recorded'})")
        for held in version.files:
            _say(f"  {held.file}: {_rows(held)}")
    for reader in found.readers:
        _say(f"run {reader.run} of version {reader.version[:12]}, asked by {reader.requested_by}: {_did(reader)}")
        for candidate in reader.candidates:
            _say(f"  {_stands(candidate)}")
    retrain(found.retrain)
    gaps(found.gaps)


def forgot(answer: Answer, *, as_json: bool) -> None:
    """What was forgotten, copies that were left, where the rows still lie, and what must be retrained."""
    if as_json:
        print(answer.model_dump_json(indent=2))
        return
    act = answer.record
    if answer.state == "forgotten before":
        _say(f"nothing to do: {act.by} forgot this on {act.at} ({act.reason}); no row of it is in the current version")
    else:
        _say(f"forgotten: {len(act.rows)} rows; the version without them is {act.version}")
        knew = f"{len(act.versions)} versions held them, {len(act.runs)} runs and {len(act.models)} candidates learned"
        _say(f"on record: {knew} from them")
    if answer.copies:
        _say(f"{len(answer.copies)} rows say the same or nearly, and were left; `--near` forgets them too:")
    for copy in answer.copies[:COPIES]:
        _say(f"  {copy.file}, line {copy.line}: {copy.id} ({copy.how})")
    if len(answer.copies) > COPIES:
        _say(f"  and {len(answer.copies) - COPIES:,} more; --json names all")
    retrain(answer.retrain)
    for name in answer.waiting:
        _say(f"learned from it and waits for its review: {name}; reject it")
    if answer.remains:
        _say("NOT deleted; the rows still lie in:")
    for place in answer.remains:
        _say(f"  {place}")
    gaps(act.gaps)


def batches(found: Sequence[tuple[Batch, int]], *, as_json: bool) -> None:
    """One line a batch, with how many of its rows were released."""
    if as_json:
        print(json.dumps([batch.model_dump(mode="json") | {"released": count} for batch, count in found], indent=2))
        return
    if not found:
        _say("no row is in quarantine")
    for batch, count in found:
        _say(f"{batch.batch}: {batch.rows:,} rows, {count:,} released; for {batch.target}, from {batch.source}")


def rows(found: Iterable[Glimpse], released: set[int], *, as_json: bool) -> None:
    """One line a row: its number, place, what is wrong, and the beginning of its text where that may be shown."""
    if as_json:
        told = [row.model_dump(mode="json") | {"released": row.number in released} for row in found]
        print(json.dumps(told, indent=2, ensure_ascii=False))
        return
    for row in found:
        mark = ", released" if row.number in released else ""
        shown = "[personal data, not shown]" if row.text is None else repr(row.text)
        _say(f"{row.number}: {row.file}, line {row.line}: {', '.join(row.checks)}{mark}  {shown}")


def retrain(recipes: Sequence[str]) -> None:
    """The recipes whose champions learned from the rows."""
    if recipes:
        _say(f"champions that learned from it, to be retrained: {', '.join(recipes)}")


def gaps(found: Sequence[str]) -> None:
    """What could not be looked at, or asked."""
    for gap in found:
        _say(f"note: {gap}")


def _rows(held: Held) -> str:
    named = ", ".join(f"line {row.line} ({row.id}, {row.how})" for row in held.rows[:ROWS])
    return named + (f" and {held.count - ROWS:,} more" if held.count > ROWS else "")


def _did(reader: Reader) -> str:
    said = [f"{reading.use} {reading.file}{'' if reading.learned else ', not learned from'}" for reading in reader.read]
    said += [f"started from the model of {reader.base}"] if reader.base else []
    said += [f"rows were translated by the model of {name}" for name in reader.translators]
    return "; ".join(said) or "its recipe reads none of these files"


def _stands(candidate: Candidate) -> str:
    said = [
        f"candidate of dossier {candidate.dossier[:12]}",
        "gates passed" if candidate.passed else "a gate did not pass",
    ]
    said += [candidate.decision] if candidate.decision else []
    said += ["the CHAMPION of today"] if candidate.champion else []
    return ", ".join([*said, *candidate.registered])


def _say(text: Any) -> None:
    console.print(text, soft_wrap=True, markup=False)
