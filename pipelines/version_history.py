"""The history of the data: a chain of what became current when, from what and why, and the `.dvc` text of each version.

It lies at the artifact root, so that a deployment without git has it too: `dataset-versions/history.jsonl`, and
`dataset-versions/<md5>/data.dvc`.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pipelines import chain
from pipelines.chain import Link
from pipelines.data_version import DataVersion, read_version, write_version
from pipelines.errors import Refused, TryAgain
from pipelines.settings import Settings
from pipelines.shared import share

BROKEN = "No version is made until the history is restored from its backup"
NEWEST = 5  # versions named when none was found


Event = Literal["adopted", "changed", "pinned"]


class FileFacts(BaseModel):
    """One file of a version; `rows` is None where the file is no JSON lines."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    md5: str
    size: int
    rows: int | None


class Change(BaseModel):
    """How many rows of a file are new, took the place of one with their id, or are gone."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    added: int = 0
    replaced: int = 0
    removed: int = 0

    def __bool__(self) -> bool:
        return bool(self.added or self.replaced or self.removed)

    def __str__(self) -> str:
        return f"{self.added:,} added, {self.replaced:,} replaced, {self.removed:,} removed"


class Record(Link):
    """One event: the version `md5` became current in the place of `parent`."""

    event: Event
    md5: str
    parent: str | None
    by: str
    reason: str
    files: dict[str, FileFacts]
    changes: dict[str, Change] = Field(default_factory=dict)
    sources: tuple[str, ...] = ()
    verdict: str | None = None

    @property
    def rows(self) -> int:
        return sum(facts.rows or 0 for facts in self.files.values())

    @property
    def version(self) -> DataVersion:
        """What a `.dvc` file says of it."""
        size = sum(facts.size for facts in self.files.values())
        return DataVersion(md5=self.md5, size=size, files={name: facts.md5 for name, facts in self.files.items()})


def folder(settings: Settings) -> Path:
    return Path(settings.artifacts) / "dataset-versions"


def history(settings: Settings) -> list[Record]:
    """Every event, oldest first. Raises ScriptoriumError where the chain was edited."""
    path = folder(settings) / "history.jsonl"
    records = chain.read(path, Record, "history")
    chain.check(path, records, BROKEN)
    return records


def record(draft: Record, settings: Settings) -> Record:
    """Keep the version's `.dvc` text and append the event; from then on it has happened. The caller holds the lock.

    Raises TryAgain when another machine made a version current since `draft` was begun.
    """
    kept = dvc_text(draft.md5, settings)
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_version(draft.version, settings.data, kept)
    share(kept, settings)
    events = history(settings)
    if events and events[-1].md5 != draft.parent:
        raise TryAgain(f"another machine made version {events[-1].md5} current meanwhile; nothing changed, try again")
    return chain.append(folder(settings) / "history.jsonl", events, draft)


def dvc_text(md5: str, settings: Settings) -> Path:
    """Where the `.dvc` text of a version is kept."""
    return folder(settings) / md5.removesuffix(".dir") / "data.dvc"


def version_file(settings: Settings) -> Path:
    """The `.dvc` file beside the data folder, where DVC puts it."""
    return settings.data.with_name(settings.data.name + ".dvc")


def current(settings: Settings) -> DataVersion:
    """The version that counts. Raises Refused when there is none.

    In a git clone that is what `data.dvc` names. Elsewhere the history's last event says it; but a `data.dvc` of a
    version that the history has never seen is somebody's new one.
    """
    records, recorded = history(settings), version_file(settings)
    if not records:
        return read_version(recorded)
    if recorded.is_file():
        version = read_version(recorded)
        if version.md5 not in {r.md5 for r in records} or in_git(recorded):
            return version
    return records[-1].version


def in_git(path: Path) -> bool:
    """Whether git tracks the file; without git, nothing is tracked."""
    command = ["git", "-C", str(path.parent), "ls-files", "--error-unmatch", path.name]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def versions(settings: Settings) -> dict[str, Record]:
    """Each recorded version with its first event, oldest first."""
    found: dict[str, Record] = {}
    for event in history(settings):
        found.setdefault(event.md5, event)
    return found


def resolve(text: str, settings: Settings) -> str:
    """The md5 of the recorded version that `text` names. Raises Refused naming the candidates."""
    return matching(text, list(versions(settings)))


def matching(text: str, known: Sequence[str]) -> str:
    """The one of these md5s that `text` is or, with 6 or more digits, begins. Raises Refused naming the candidates."""
    digits = text.lower().removesuffix(".dir")
    if not re.fullmatch(r"[0-9a-f]{6,32}", digits):
        raise Refused(f"version {text[:40]!r} is not 6 to 32 hex digits of an md5; {_newest(known)}")
    found = [md5 for md5 in known if md5.startswith(digits)]
    if not found:
        raise Refused(f"no version {text[:40]!r} is recorded; {_newest(known)}")
    if len(found) > 1:
        raise Refused(f"version {text!r} can be {', '.join(found)}; give more digits")
    return found[0]


def _newest(known: Sequence[str]) -> str:
    if not known:
        return "none is recorded yet: the first change of the data records the current one too"
    return f"the newest are {', '.join(md5[:12] for md5 in known[: -NEWEST - 1 : -1])} (`scriptorium data list`)"


def named(md5: str, settings: Settings) -> Record:
    """The first event of a recorded version. Raises Refused when there is none."""
    found = versions(settings)
    if md5 not in found:
        raise Refused(f"version {md5} is not recorded; {_newest(list(found))}")
    return found[md5]


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """The names of the files that one listing has and the other has not, or has with another md5."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
