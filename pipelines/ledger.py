"""The ledger of decisions: a chain of what happened to which dossier, on disk before anything goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pipelines import chain, growing
from pipelines.chain import Link
from pipelines.locks import lock
from pipelines.settings import Settings

Event = Literal["approved", "rejected", "registered", "promoted", "reaffirmed", "restored", "undone"]
PROMOTIONS: tuple[Event, ...] = ("promoted", "reaffirmed")
# After one of these the version that it names is the champion.
CHAMPION: tuple[Event, ...] = (*PROMOTIONS, "restored")
# Decisions are final and stand once; these say what was done in the registry, each time it was.
EACH_TIME: tuple[Event, ...] = ("registered", "restored", "undone")
BROKEN = "Nothing is promoted until the ledger is restored from its backup"
# In the facts of a registered version: before the path of each of its files, whose sha256 is the value.
SERVED = "served/"
# In the facts of a restore: the version whose bytes were registered anew, since MLflow had lost them.
AGAIN = "again"


class Entry(Link):
    """One line: what happened to which dossier, by whom."""

    event: Event
    dossier: str
    facts: dict[str, str]


def ledger_path(name: str, settings: Settings) -> Path:
    return Path(settings.artifacts) / "ledger" / f"{name}.jsonl"


def exists(name: str, settings: Settings) -> bool:
    """Whether anything was ever decided about a model, here or on another machine."""
    growing.refresh(ledger_path(name, settings))
    return ledger_path(name, settings).exists()


def read(path: Path) -> list[Entry]:
    """All entries, in order; none when nothing was ever decided. Raises ScriptoriumError for a line that is none."""
    return chain.read(path, Entry, "ledger")


def append(path: Path, event: Event, dossier: str, facts: dict[str, str]) -> Entry:
    """Add an entry and flush it to the disk; a decision already recorded for this dossier is returned as it stands.

    Raises ScriptoriumError when the chain before it is broken.
    """
    with lock(path.with_suffix(".lock"), f"another process is writing {path.name}"):
        entries = read(path)
        chain.check(path, entries, BROKEN)
        if event not in EACH_TIME and (done := find(entries, event, dossier)):
            return done
        return chain.append(path, entries, Entry(event=event, dossier=dossier, facts=facts))


def find(entries: list[Entry], event: Event, dossier: str) -> Entry | None:
    """The last entry of an event for a dossier, if it was recorded."""
    return next((entry for entry in reversed(entries) if (entry.event, entry.dossier) == (event, dossier)), None)


def of_champion(entries: list[Entry]) -> Entry | None:
    """The entry that says which version is the champion; none before the first release."""
    return next((entry for entry in reversed(entries) if entry.event in CHAMPION), None)


def promotion(entries: list[Entry], version: str) -> Entry | None:
    """The entry in which a version last passed the gates and a reviewer; none for one that was never promoted.

    Of bytes that were registered anew by a restore it is that of the version that they were before.
    """
    for entry in reversed(entries):
        if entry.event in CHAMPION and entry.facts["version"] == version:
            before = entry.facts.get(AGAIN, version)
            if before != version:
                return promotion(entries, before)
            if entry.event in PROMOTIONS:
                return entry
    return None


def line(entries: list[Entry]) -> list[str]:
    """The champions one behind the other, the present one last: what was restored away from is no part of it."""
    found: list[str] = []
    for entry in entries:
        if entry.event in CHAMPION:
            before = entry.facts.get(AGAIN, entry.facts["version"])
            del found[found.index(before) if before in found else len(found) :]
            found.append(entry.facts["version"])
    return found


def registration(entries: list[Entry], version: str) -> Entry | None:
    """The entry in which promotion wrote down the files of a version, the last should there be two."""
    made = (e for e in reversed(entries) if e.event == "registered" and e.facts["version"] == version)
    return next(made, None)


def verify(path: Path) -> str:
    """Check the whole chain and return the hash of its last line. Raises ScriptoriumError naming the first bad line."""
    entries = read(path)
    chain.check(path, entries, BROKEN)
    return chain.head(entries)
