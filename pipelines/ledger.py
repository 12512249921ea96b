"""The ledger of decisions: JSON lines, each holding the hash of the line before it, on disk before anything goes on."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.artifact import canonical, sha256_text
from pipelines.errors import ScriptoriumError
from pipelines.settings import Settings
from pipelines.steps import lock

Event = Literal["approved", "rejected", "registered", "promoted", "reaffirmed"]
PROMOTIONS: tuple[Event, ...] = ("promoted", "reaffirmed")
START = "0" * 64
# In the facts of a registered version: before the path of each of its files, whose sha256 is the value.
SERVED = "served/"


class Entry(BaseModel):
    """One line: what happened to which dossier, by whom, and the hash that ties it to all lines before."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    sequence: int
    previous: str
    at: str
    event: Event
    dossier: str
    facts: dict[str, str]
    sha256: str


def ledger_path(name: str, settings: Settings) -> Path:
    return Path(settings.artifacts) / "ledger" / f"{name}.jsonl"


def read(path: Path) -> list[Entry]:
    """All entries, in order; none when nothing was ever decided. Raises ScriptoriumError for a line that is none."""
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
    try:
        return [Entry.model_validate_json(line) for line in lines]
    except ValidationError as error:
        raise ScriptoriumError(f"{path} holds a line that is no ledger entry; restore the file: {error}") from None


def append(path: Path, event: Event, dossier: str, facts: dict[str, str]) -> Entry:
    """Add an entry and flush it to the disk; an event already recorded for this dossier is returned as it stands.

    Raises ScriptoriumError when the chain before it is broken.
    """
    with lock(path.with_suffix(".lock"), f"another process is writing {path.name}"):
        _drop_half_line(path)
        entries = read(path)
        _check(path, entries)
        if done := find(entries, event, dossier):
            return done
        entry = _sealed(entries, event, dossier, facts)
        _write(path, canonical(entry.model_dump()) + "\n")
    return entry


def find(entries: list[Entry], event: Event, dossier: str) -> Entry | None:
    """The entry of an event for a dossier, if it was recorded."""
    return next((entry for entry in entries if (entry.event, entry.dossier) == (event, dossier)), None)


def last_promotion(entries: list[Entry]) -> Entry | None:
    """The entry that says which version is the champion; none before the first release."""
    return next((entry for entry in reversed(entries) if entry.event in PROMOTIONS), None)


def registration(entries: list[Entry], version: str) -> Entry | None:
    """The entry in which promotion wrote down the files of a version, the last should there be two."""
    made = (e for e in reversed(entries) if e.event == "registered" and e.facts["version"] == version)
    return next(made, None)


def verify(path: Path) -> str:
    """Check the whole chain and return the hash of its last line. Raises ScriptoriumError naming the first bad line."""
    entries = read(path)
    _check(path, entries)
    return head(entries)


def head(entries: list[Entry]) -> str:
    return entries[-1].sha256 if entries else START


def _check(path: Path, entries: list[Entry]) -> None:
    previous = START
    for number, entry in enumerate(entries):
        if (entry.sequence, entry.previous, entry.sha256) != (number, previous, _hash(entry)):
            raise ScriptoriumError(
                f"{path}, line {number + 1}: the chain is broken; this line or the one before was edited or removed. "
                "Nothing is promoted until the ledger is restored from its backup"
            )
        previous = entry.sha256


def _sealed(entries: list[Entry], event: Event, dossier: str, facts: dict[str, str]) -> Entry:
    draft = Entry(
        sequence=len(entries),
        previous=head(entries),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        event=event,
        dossier=dossier,
        facts=facts,
        sha256="",
    )
    return draft.model_copy(update={"sha256": _hash(draft)})


def _hash(entry: Entry) -> str:
    return sha256_text(canonical(entry.model_dump(exclude={"sha256"})))


def _drop_half_line(path: Path) -> None:
    """A process killed while writing leaves a line without an end; it was never acknowledged, so it goes."""
    if not path.exists():
        return
    whole = path.read_bytes().rpartition(b"\n")
    if whole[2]:
        os.truncate(path, len(whole[0]) + len(whole[1]))


def _write(path: Path, line: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
