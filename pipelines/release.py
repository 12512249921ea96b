"""Releasing rows from quarantine: a person's decision, on record, that rows which failed a check may join the data."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines import chain, forgotten, forgotten_rows
from pipelines.add_rows import adding
from pipelines.announce import facts
from pipelines.chain import Link
from pipelines.errors import Refused, TryAgain
from pipelines.locks import lock
from pipelines.quarantine import Aside, Batch, folder, read_batch, rows_of, with_personal_data
from pipelines.release_check import listed, require_sound
from pipelines.settings import Settings
from pipelines.version_history import Change, Record, current, history
from pipelines.version_swap import finish
from pipelines.versions import Cause, Edit, new_version, who

BROKEN = "Nothing is released until the record is restored from its backup"
Announce = Callable[[Mapping[str, Any]], bool]  # whether it was heard


class Release(Link):
    """Rows of a batch, by their numbers, that joined the data; `personal` are those known to hold personal data."""

    batch: str
    rows: tuple[int, ...]
    personal: tuple[int, ...]
    by: str
    reason: str
    target: str
    version: str


@dataclass(frozen=True)
class Decision:
    """What somebody decides: which rows of a batch, None for all, and why."""

    batch: str
    rows: tuple[int, ...] | None
    reason: str
    personal: bool = False


def releases(settings: Settings) -> list[Release]:
    """Every release, oldest first. Raises ScriptoriumError where the chain was edited."""
    found = chain.read(_path(settings), Release, "release")
    chain.check(_path(settings), found, BROKEN)
    return found


def released(batch: str, made: Iterable[Release]) -> set[int]:
    """The rows of a batch that were released."""
    return {number for release in made if release.batch == batch for number in release.rows}


def release(decision: Decision, settings: Settings, *, announce: Announce = lambda _: False) -> Release | None:
    """Add rows of a batch to its file of the data and record it; None when all of them were released before.

    `announce` is called at least once for every new version, with the facts of it. Raises Refused for rows that the
    batch has not, for personal data unless that is said to be meant, for rows that were forgotten, for ids that the
    data have with other content, and where no training would accept the data with the rows; then nothing has changed.
    """
    if not decision.reason.strip():
        raise Refused("a release needs a reason; say why with --reason '...'")
    batch = read_batch(decision.batch, settings)
    with lock(folder(settings) / "lock", "another process is releasing rows"):
        made = releases(settings)
        rows = _chosen(decision, batch, settings)
        rows = [row for row in rows if row.number not in released(batch.batch, made)]
        if not rows:
            return None
        _refuse_forgotten(rows, batch, settings)
        personal = tuple(sorted(with_personal_data(rows)))
        if personal and not decision.personal:
            raise Refused(
                f"rows {listed(personal)} hold personal data; leave them out, or say --with-personal-data if they "
                "may be learned from, which is recorded"
            )
        if made_now := _add(rows, batch, decision.reason.strip(), settings):
            announce(facts(made_now.md5, batch.batch, batch.recipe, made_now.changes))
        draft = Release(
            batch=batch.batch,
            rows=tuple(row.number for row in rows),
            personal=personal,
            by=who(),
            reason=decision.reason.strip(),
            target=batch.target,
            version=current(settings).md5,
        )
        return chain.append(_path(settings), made, draft)


def _path(settings: Settings) -> Path:
    return folder(settings) / "releases.jsonl"


def _chosen(decision: Decision, batch: Batch, settings: Settings) -> list[Aside]:
    rows, wanted = list(rows_of(batch, settings)), decision.rows
    if wanted is None:
        return rows
    if unknown := sorted(set(wanted) - {row.number for row in rows}):
        raise Refused(f"batch {batch.batch} has rows 1 to {batch.rows}, not {listed(unknown)}")
    return [row for row in rows if row.number in wanted]


def _refuse_forgotten(rows: Sequence[Aside], batch: Batch, settings: Settings) -> None:
    """What somebody asked to be forgotten does not come back by this door."""
    again = forgotten_rows.back((row.row for row in rows), batch.target, forgotten.read(settings))
    if numbers := [rows[position].number for position in again]:
        raise Refused(f"rows {listed(numbers)} were forgotten, with a reason on record; leave them out")


def _add(rows: Sequence[Aside], batch: Batch, reason: str, settings: Settings) -> Record | None:
    """The new version; if rows of the batch made the newest one and nothing followed, since a kill, that one."""
    settings.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.work) as scratch:
        path = Path(scratch) / f"{batch.batch}.jsonl"
        finish(settings)
        base = current(settings).md5
        path.write_text("".join(json.dumps(row.row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        require_sound(rows, batch, path, Path(scratch), settings)
        because = f"released from quarantine {batch.batch}: "
        cause = Cause(because + reason, who(), (batch.source,), "quarantine")
        made = new_version({batch.target: _guarded(batch.target, path, base, settings)}, cause, settings)
    newest = history(settings)[-1:]
    return made or next((event for event in newest if event.reason.startswith(because)), None)


def _guarded(target: str, rows: Path, base: str, settings: Settings) -> Edit:
    """The edit that adds rows, only to the version that they were looked at in: it begins when no other change can."""

    def edit(old: Iterator[bytes]) -> Generator[bytes, None, Change]:
        if current(settings).md5 != base:
            raise TryAgain(
                "the data became another version while the rows were looked at; nothing is released, try again"
            )
        return adding(target, rows, "refuse")(old)

    return edit
