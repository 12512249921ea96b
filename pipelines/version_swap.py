"""Make another version the current one: the history first, then data.dvc, then data/; a kill between is made good.

What was decided is written down before the first change, and removed after the last. Whoever works on the data next
goes on from there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pipelines.artifact import read_json, write_json
from pipelines.data_version import folder_md5, md5_file, read_version, write_version
from pipelines.dvc_objects import open_objects
from pipelines.errors import Refused, ScriptoriumError
from pipelines.locks import lock
from pipelines.settings import Settings
from pipelines.version_files import Workbench
from pipelines.version_history import Record, changed, folder, history, in_git, record, version_file


class Swap(BaseModel):
    """A decided change of the current version; `before` is what data/ holds until it is done."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    record: Record
    place: int
    before: dict[str, str]
    whole: bool
    commit: bool


@contextmanager
def changing(settings: Settings) -> Iterator[Workbench]:
    """Be the only one that changes versions, after what a killed process left is finished; with an empty folder."""
    with lock(folder(settings) / "lock", "another process is changing the data's version"):
        _finish(settings)
        work = work_folder(settings)
        shutil.rmtree(work, ignore_errors=True)
        (work / "new").mkdir(parents=True)
        try:
            yield Workbench(settings, work)
        finally:
            shutil.rmtree(work)


def work_folder(settings: Settings) -> Path:
    return settings.work / "versions"


def finish(settings: Settings) -> None:
    """Finish a change of version that a kill interrupted; one that is just being made is waited for."""
    if _pending(settings).exists():
        with changing(settings):
            return


def swap(draft: Record, settings: Settings, *, whole: bool, commit: bool) -> Record:
    """Make the version of `draft` current, whose objects the remote holds. The caller is `changing`.

    With `whole`, data/ is made to hold all of the version and nothing else; otherwise, where there is a data/, only the
    files that differ are replaced. Raises Refused for a file in data/ that no recorded version knows.
    """
    events, before = history(settings), _claimed(settings)
    after = draft.version.files
    refuse_edited(_touched(before, after, settings, whole=whole), after, settings)
    decided = Swap(record=draft, place=len(events), before=before, whole=whole, commit=commit)
    write_json(_pending(settings), decided.model_dump(mode="json"))
    done = events[-1] if draft.md5 == draft.parent else record(draft, settings)
    _apply(decided, settings)
    return done


def refuse_edited(names: Iterable[str], after: Mapping[str, str], settings: Settings) -> None:
    """Raise Refused naming the first of these files in data/ that is of no recorded version, nor of `after`."""
    events = history(settings)
    for name in names:
        path = settings.data / name
        known = {event.files[name].md5 for event in events if name in event.files} | {after.get(name)}
        if path.is_file() and md5_file(path) not in known:
            cure = "record it with `scriptorium data commit`, or move it away, then try again"
            raise Refused(f"{path} is in no recorded version: somebody changed it; {cure}")


def _claimed(settings: Settings) -> dict[str, str]:
    """The files of the version that data/ holds, as data.dvc beside it says."""
    recorded = version_file(settings)
    version = read_version(recorded) if recorded.is_file() else history(settings)[-1].version
    return version.files if folder_md5(version.files) == version.md5 else {}


def _touched(before: Mapping[str, str], after: Mapping[str, str], settings: Settings, *, whole: bool) -> list[str]:
    if not whole:
        return changed(before, after)
    there = {p.relative_to(settings.data).as_posix() for p in settings.data.rglob("*") if p.is_file()}
    return sorted(there | set(after))


def _pending(settings: Settings) -> Path:
    """Beside the work folder, not in it: that one is emptied before each change."""
    settings.work.mkdir(parents=True, exist_ok=True)
    return settings.work / "versions.pending.json"


def _finish(settings: Settings) -> None:
    """Complete a swap whose event is in the history; forget one that did not come so far."""
    path = _pending(settings)
    if not path.exists():
        return
    decided, events = Swap.model_validate(read_json(path), strict=False), history(settings)
    if len(events) > decided.place and events[decided.place].md5 == decided.record.md5:
        print(f"finishing the change to version {decided.record.md5}, which was interrupted", flush=True)
        _apply(decided, settings)
    else:
        path.unlink()


def _apply(decided: Swap, settings: Settings) -> None:
    version, recorded = decided.record.version, version_file(settings)
    if os.access(recorded.parent, os.W_OK):
        write_version(version, settings.data, recorded)
    if decided.whole or settings.data.is_dir():
        _materialise(decided, settings)
    _pending(settings).unlink()
    if decided.commit:
        commit(decided.record, settings)


def _materialise(decided: Swap, settings: Settings) -> None:
    """Replace, file by file, what differs in data/; a file that somebody changed is not touched but refused."""
    after = decided.record.version.files
    for name in after:
        _part(settings.data / name).unlink(missing_ok=True)
    names = _touched(decided.before, after, settings, whole=decided.whole)
    refuse_edited(names, after, settings)
    for name in names:
        path, md5 = settings.data / name, after.get(name)
        if md5 is None:
            path.unlink(missing_ok=True)
        elif not path.is_file() or md5_file(path) != md5:
            built = work_folder(settings) / "new" / md5
            if not built.is_file():
                open_objects(settings).get(md5, built)
            _link(built, path)


def _link(source: Path, target: Path) -> None:
    """Put a finished file in the place of another at once, without copying it where one disk holds both."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = _part(target)
    try:
        part.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, part)
    part.replace(target)


def _part(path: Path) -> Path:
    """Beside the file, for data/ may be a disk of its own; what a kill leaves there is removed by the next try."""
    return path.with_name(f".{path.name}.part")


def refuse_commit_outside_git(settings: Settings) -> None:
    """Raise Refused where git does not track data.dvc."""
    path = version_file(settings)
    if not in_git(path):
        raise Refused(f"git does not track {path}, so there is nothing to commit; leave the commit out")


def commit(event: Record, settings: Settings) -> None:
    """Commit data.dvc alone, with what changed as its message. Raises ScriptoriumError with git's words."""
    path = version_file(settings)
    git = ["git", "-C", str(path.parent)]
    if subprocess.run([*git, "diff", "--quiet", "HEAD", "--", path.name], check=False).returncode == 0:
        return
    changes = "\n".join(f"{name}: {change}" for name, change in event.changes.items())
    message = f"Data {event.md5[:12]}: {event.reason}\n\n{changes}".strip()
    command = [*git, "commit", "--quiet", "--only", "-m", message, "--", path.name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).split("\n")[-1]
        raise ScriptoriumError(
            f"version {event.md5} is current, but git did not commit {path}: {said}; commit it by hand"
        )
