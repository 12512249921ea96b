"""Archives, unpacked only when all of it is harmless: .tar, .tar.gz, .tgz, .tar.zst and .zip.

Every member is judged before anything is written, and what is written appears only when all of it is whole.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pipelines.archive_readers import BLOCK, Bounds, Member, readable, tar_members, zip_members
from pipelines.artifact import publish
from pipelines.errors import Refused, ScriptoriumError
from pipelines.safe_names import folders, objection, shown, spelling

READERS = {
    ".tar": tar_members,
    ".tar.gz": tar_members,
    ".tgz": tar_members,
    ".tar.zst": tar_members,
    ".zip": zip_members,
}
NESTED = (*READERS, ".tar.bz2", ".tar.xz", ".7z", ".rar")
SHOWN = 20
TELL_S = 5.0
DEFAULT = Bounds()


def is_archive(path: Path) -> bool:
    """Whether a file's name is that of an archive that can be unpacked."""
    return path.name.lower().endswith(tuple(READERS))


def members(path: Path, bounds: Bounds = DEFAULT) -> dict[str, int]:
    """Name and size of every file that unpacking would give; nothing is written.

    Hidden files (names that begin with a dot, __MACOSX) are judged, but are not data. Raises Refused with all reasons
    when any member could do harm, when the archive is a bomb, damaged, or holds no file.
    """
    files: dict[str, int] = {}
    reasons: list[str] = []
    kept: list[str] = []
    for member in _members(path, bounds):
        name = _plain(member)
        if why := _objection(member, name):
            reasons.append(f"{shown(member.name)}: {why}")
        elif not member.is_folder:
            kept.append(name)
            files[name] = member.size
    reasons += _clashes(kept)
    if reasons:
        more = [f"and {len(reasons) - SHOWN:,} more"] if len(reasons) > SHOWN else []
        listed = "\n".join(f"- {reason}" for reason in [*reasons[:SHOWN], *more])
        raise Refused(f"{path} is refused, and nothing of it was unpacked:\n{listed}\nMake it again without these")
    files = {name: size for name, size in files.items() if not _hidden(name)}
    if not files:
        raise Refused(f"{path} holds no files")
    return files


def _members(path: Path, bounds: Bounds) -> Iterator[Member]:
    reader = next((READERS[end] for end in READERS if path.name.lower().endswith(end)), None)
    if reader is None:
        raise Refused(f"{path} is no archive that can be unpacked; those are {', '.join(READERS)}")
    for number, member in enumerate(reader(path, bounds), 1):
        if number > bounds.members:
            raise Refused(f"{path} has more than {bounds.members:,} members; send several smaller archives")
        yield member


def _plain(member: Member) -> str:
    """The name without the "./" that tar puts before it, and without a folder's "/" after it."""
    name = member.name.removeprefix("./")
    return name.removesuffix("/") if member.is_folder else name


def _objection(member: Member, name: str) -> str | None:
    if member.objection:
        return member.objection
    if member.is_folder and name in {"", "."}:
        return None
    if not member.is_folder and name.lower().endswith(NESTED):
        return "it is an archive in an archive; unpack it first"
    return objection(name)


def _clashes(names: Sequence[str]) -> Iterator[str]:
    """Names that would fall on each other in some file system."""
    seen: set[str] = set()
    above = folders(map(spelling, names))
    for name in names:
        spelled = spelling(name)
        if spelled in seen:
            yield f"{shown(name)}: it is there twice (capital and small letters count as the same)"
        if spelled in above:
            yield f"{shown(name)}: it is a file and a folder at once"
        seen.add(spelled)


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def unpack(path: Path, folder: Path, bounds: Bounds = DEFAULT, say: Callable[[str], None] = print) -> list[Path]:
    """Unpack an archive into a new folder, which appears when all of it is there; return the files, sorted.

    Raises Refused as `members` does, and ScriptoriumError when the disk has no room. Modes, owners and times are not
    taken over.
    """
    if folder.exists():
        raise ScriptoriumError(f"{folder} is there already; an archive is unpacked into a new folder")
    files = members(path, bounds)
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        _refuse_full_disk(part, files)
        _write(path, part, files, bounds, say)
        publish(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return sorted(folder / name for name in files)


def _refuse_full_disk(folder: Path, files: dict[str, int]) -> None:
    needed, free = sum(files.values()), shutil.disk_usage(folder).free
    if needed > free:
        raise ScriptoriumError(f"{folder} has room for {free:,} bytes; {needed:,} are to be unpacked: free some space")


def _write(path: Path, part: Path, files: dict[str, int], bounds: Bounds, say: Callable[[str], None]) -> None:
    missing, total, done = dict(files), sum(files.values()), 0
    start = told = time.monotonic()
    for member in _members(path, bounds):
        name = _plain(member)
        if member.content is None or _hidden(name):
            continue
        if missing.pop(name, None) != member.size:
            raise Refused(f"{path} was changed while it was being unpacked; try again")
        _write_member(path, member, part / name)
        done += member.size
        if (now := time.monotonic()) - told >= TELL_S and done < total:
            told = now
            say(f"  {done / total:.0%} of {path.name} is unpacked, {(now - start) / done * (total - done):.0f} s left")
    if missing:
        raise Refused(f"{path} was changed while it was being unpacked; try again")


def _write_member(path: Path, member: Member, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with target.open("xb") as file:
        for block in _blocks(path, member):
            file.write(block)
            written += len(block)
        file.flush()
        os.fsync(file.fileno())
    if written != member.size:
        raise Refused(f"{path}: {shown(member.name)} is not as long as is said ({member.size:,} bytes); send it again")


def _blocks(path: Path, member: Member) -> Iterator[bytes]:
    """The content, which tarfile and zipfile end where the archive says that it ends."""
    with readable(path):
        while member.content and (block := member.content.read(BLOCK)):
            yield block
