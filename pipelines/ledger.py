"""The ledger of decisions: a chain of what happened to which dossier, on disk before anything goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pipelines import chain
from pipelines.chain import Link
from pipelines.settings import Settings
from pipelines.steps import lock

Event = Literal["approved", "rejected", "promoted", "reaffirmed"]
BROKEN = "Nothing is promoted until the ledger is restored from its backup"


class Entry(Link):
    """One line: what happened to which dossier, by whom."""

    event: Event
    dossier: str
    facts: dict[str, str]


def ledger_path(name: str, settings: Settings) -> Path:
    return Path(settings.artifacts) / "ledger" / f"{name}.jsonl"


def read(path: Path) -> list[Entry]:
    """All entries, in order; none when nothing was ever decided. Raises ScriptoriumError for a line that is none."""
    return chain.read(path, Entry, "ledger")


def append(path: Path, event: Event, dossier: str, facts: dict[str, str]) -> Entry:
    """Add an entry and flush it to the disk; an event already recorded for this dossier is returned as it stands.

    Raises ScriptoriumError when the chain before it is broken.
    """
    with lock(path.with_suffix(".lock"), f"another process is writing {path.name}"):
        entries = read(path)
        chain.check(path, entries, BROKEN)
        if done := find(entries, event, dossier):
            return done
        return chain.append(path, entries, Entry(event=event, dossier=dossier, facts=facts))


def find(entries: list[Entry], event: Event, dossier: str) -> Entry | None:
    """The entry of an event for a dossier, if it was recorded."""
    return next((entry for entry in entries if (entry.event, entry.dossier) == (event, dossier)), None)


def verify(path: Path) -> str:
    """Check the whole chain and return the hash of its last line. Raises ScriptoriumError naming the first bad line."""
    entries = read(path)
    chain.check(path, entries, BROKEN)
    return chain.head(entries)
