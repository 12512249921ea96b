"""Versions of the data: make one by rewriting files, make an old one current again, read the rows of any.

A version is made beside the old one, stored in the DVC remote, proved by hashing what the remote holds, and only then
made current. Adding rows and removing rows are the same operation with another `Edit`.
"""

from __future__ import annotations

import getpass
import os
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from pipelines import forgotten
from pipelines.data_version import DataVersion, folder_md5, version_of
from pipelines.dvc_objects import open_objects
from pipelines.errors import Refused
from pipelines.settings import Settings
from pipelines.version_files import Edit, Workbench, chunks_of, facts_of, in_data, rewritten, split
from pipelines.version_history import (
    Event,
    FileFacts,
    Record,
    current,
    history,
    named,
    record,
    resolve,
    version_file,
    versions,
)
from pipelines.version_store import store
from pipelines.version_swap import changing, refuse_commit_outside_git, refuse_edited, swap

__all__ = ["Cause", "Edit", "Record", "adopt", "history", "lines_of", "new_version", "pin", "resolve", "rows_of", "who"]


@dataclass(frozen=True)
class Cause:
    """Why a version is made and by whom; `sources` are URIs of what its rows came from, `verdict` is validation's."""

    reason: str
    by: str
    sources: tuple[str, ...] = ()
    verdict: str | None = None


def new_version(edits: Mapping[str, Edit], cause: Cause, settings: Settings, *, commit: bool = False) -> Record | None:
    """Rewrite files of the current version, and make what comes out current; None when no row changed.

    `edits`: file in the data folder ("tasks/x/train.jsonl", which need not exist yet) to its edit. With `commit`, git
    commits data.dvc. One at a time: another change is waited for. Raises Refused for a file that somebody changed by
    hand, and whatever an edit raises; then nothing has changed.
    """
    for name in edits:
        _refuse_name(name)
    if commit:
        refuse_commit_outside_git(settings)
    with changing(settings) as bench:
        base = _adopted(bench)
        refuse_edited(edits, {}, settings)
        built = {name: rewritten(name, base.files.get(name), edit, bench) for name, edit in edits.items()}
        changes = {name: change for name, (_, change) in built.items() if change}
        if not changes:
            print(f"no row is new: version {base.md5} stays", flush=True)
            return None
        draft = _draft("changed", base.files | {name: built[name][0] for name in changes}, base, cause)
        draft = draft.model_copy(update={"changes": changes})
        store(draft, bench)
        return swap(draft, settings, whole=False, commit=commit)


def pin(text: str, cause: Cause, settings: Settings, *, commit: bool = False) -> Record:
    """Make a recorded version current again, and data/ hold exactly it.

    Raises Refused for one that is not recorded, and for one with rows that were forgotten since.
    """
    if commit:
        refuse_commit_outside_git(settings)
    with changing(settings) as bench:
        base = _adopted(bench)
        wanted = named(resolve(text, settings), settings)
        forgotten.refuse_version(wanted.md5, settings)
        store(wanted, bench)
        return swap(_draft("pinned", wanted.files, base, cause), settings, whole=True, commit=commit)


def adopt(version: DataVersion, reason: str, settings: Settings) -> None:
    """Record that the version which the data folder holds became current by other means than an edit."""
    with changing(settings):
        events = history(settings)
        if events and events[-1].md5 == version.md5:
            return
        files = {name: facts_of(name, chunks_of(settings.data / name)) for name in version.files}
        record(_draft("adopted", files, events[-1] if events else None, Cause(reason, who())), settings)


def _adopted(bench: Workbench) -> Record:
    """The event that made the current version current; recorded now, and stored, if data.dvc names another."""
    settings = bench.settings
    version, events = current(settings), history(settings)
    if events and events[-1].md5 == version.md5:
        return events[-1]
    known = versions(settings).get(version.md5)
    cause = Cause(f"{version_file(settings).name} named it", who())
    draft = _draft("adopted", known.files if known else _facts(version, bench), events[-1] if events else None, cause)
    store(draft, bench)
    return record(draft, settings)


def _draft(event: Event, files: dict[str, FileFacts], parent: Record | None, cause: Cause) -> Record:
    md5 = folder_md5({name: facts.md5 for name, facts in files.items()})
    return Record(event=event, md5=md5, parent=parent.md5 if parent else None, files=files, **asdict(cause))


def _facts(version: DataVersion, bench: Workbench) -> dict[str, FileFacts]:
    """The facts of a version's files, from the data folder where it holds them, else from the remote."""
    found = {}
    for name, md5 in _files(version, bench).items():
        path = in_data(name, md5, bench.settings)
        found[name] = facts_of(name, chunks_of(path) if path else bench.objects.proved(md5))
    return found


def _files(version: DataVersion, bench: Workbench) -> dict[str, str]:
    """The files of a version; a `.dvc` file written by DVC itself does not name them."""
    if folder_md5(version.files) == version.md5:
        return version.files
    data = bench.settings.data
    here = version_of(data) if data.is_dir() else None
    return here.files if here and here.md5 == version.md5 else bench.objects.listing(version.md5)


def _refuse_name(name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or path.as_posix() != name or path.suffix != ".jsonl":
        raise Refused(f"{name[:80]!r} is not a file of the data folder such as tasks/headline/train.jsonl")


def who() -> str:
    """The name of this process's user."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"


def lines_of(md5: str, file: str, settings: Settings) -> Iterator[bytes]:
    """The lines of a file of a recorded version, from the DVC remote; proved when the last has come."""
    files = named(md5, settings).files
    if file not in files:
        raise Refused(f"version {md5} holds no {file}; it holds {', '.join(files)}")
    return split(open_objects(settings).proved(files[file].md5))


def rows_of(md5: str, file: str, settings: Settings) -> Iterator[dict[str, Any]]:
    """The rows of a file of a recorded version. Raises Refused for a line that is no JSON."""
    from pydantic_core import from_json

    lines = lines_of(md5, file, settings)
    for number, line in enumerate(lines, 1):
        try:
            yield from_json(line)
        except ValueError:
            # Damage in the remote is the likelier cause, and reading on to the end says so.
            deque(lines, maxlen=0)
            raise Refused(f"{file} of version {md5}, line {number}: not JSON") from None
