"""Files that grow by lines. In an artifact root in S3 the store's copy counts, and one machine adds at a time.

A line is in the store before it is here. It is added only to what was read before, by a conditional write where the
store knows those (AWS does); elsewhere by looking before and after, which two machines that add within the same few
milliseconds can slip through, but not unnoticed: what the one has seen is then missing, and it says so.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pipelines import s3
from pipelines.artifact_root import is_in_store, uri_of
from pipelines.errors import ScriptoriumError, TryAgain
from pipelines.settings import read_settings


def refresh(path: Path) -> None:
    """Bring what other machines have added. Raises ScriptoriumError when the store lacks lines that this one has."""
    settings = read_settings()
    if not is_in_store(path, settings):
        return
    uri = uri_of(path, settings)
    # Before the store is asked: a line that another process adds meanwhile is there first.
    mine = _whole_lines(path)
    theirs, _ = _stored(uri)
    if not theirs.startswith(mine):
        cure = f"restore it from its backup, or from {path}; if the store's is right, delete {path}"
        raise ScriptoriumError(f"{uri} is not what this machine has seen there: lines are changed or missing; {cure}")
    if theirs != mine:
        _replace(path, theirs)


def append(path: Path, line: bytes, lines: int) -> None:
    """Add a line after the first `lines`, and flush it to the disk; the caller holds the lock of this machine.

    Raises TryAgain when another machine has added a line since they were read.
    """
    settings, mine = read_settings(), _whole_lines(path)
    if is_in_store(path, settings):
        _append_in_store(uri_of(path, settings), mine, line, lines)
        _replace(path, mine + line)
        return
    with path.open("ab") as file:
        file.truncate(len(mine))
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
    _flush(path.parent)


def heeds_conditions(store: str) -> bool:
    """Whether a store refuses to put an object where one lies by now; tried with an object that is then removed."""
    bucket, key = s3.address(f"{store}/.conditional-write")
    try:
        return not all(s3.swap(bucket, key, b"", None) for _ in range(2))
    finally:
        s3.remove(bucket, key)


def _append_in_store(uri: str, mine: bytes, line: bytes, lines: int) -> None:
    meanwhile = TryAgain(f"another machine has added to {uri} meanwhile; nothing was written, so try again")
    theirs, etag = _stored(uri)
    if theirs != mine or mine.count(b"\n") != lines:
        raise meanwhile
    # A store may ignore the condition; and may say no to a write that came through, when its first answer was lost.
    s3.swap(*s3.address(uri), mine + line, etag)
    if not _stored(uri)[0].startswith(mine + line):
        raise meanwhile


def _stored(uri: str) -> tuple[bytes, str | None]:
    return s3.small(*s3.address(uri)) or (b"", None)


def _whole_lines(path: Path) -> bytes:
    """A process killed while writing leaves a line without an end; it was never acknowledged, so it goes."""
    content = path.read_bytes() if path.exists() else b""
    return content[: content.rfind(b"\n") + 1]


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as part:
        part.write(content)
        part.flush()
        os.fsync(part.fileno())
    Path(part.name).replace(path)
    _flush(path.parent)


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
