"""Files elsewhere, in a local folder or below s3://bucket/prefix/: list them, fetch them, put and delete them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines import s3
from pipelines.artifact import sha256_text
from pipelines.digests import BLOCK, Digests, digests_of
from pipelines.errors import Refused, ScriptoriumError
from pipelines.s3_errors import Changed, Damaged


@dataclass(frozen=True)
class Stored:
    """A file that lies somewhere. The same URI with the same ETag and size has the same content."""

    uri: str
    name: str  # below the source that was listed, with "/"
    size: int  # bytes
    etag: str  # what S3 gives; of a local file its times and inode
    modified: float  # seconds since 1970
    objection: str = ""  # why it cannot be fetched


@dataclass(frozen=True)
class Fetched:
    """What arrived: its sha256, and by what it was proved to be what lies there."""

    sha256: str
    proof: str


def place(source: str) -> str:
    """The one spelling of a source: an absolute path, or s3://bucket/prefix. Raises Refused for other schemes."""
    if source.startswith("s3://"):
        bucket, key = s3.address(source)
        return f"s3://{bucket}/{key}".rstrip("/")
    if "://" in source:
        scheme = source.partition("://")[0]
        raise Refused(f"{scheme}:// is not a place that can be read; give a folder, or s3://bucket/prefix/")
    return str(Path(source).expanduser().resolve())


def files_at(source: str) -> Iterator[Stored]:
    """Everything below a folder or prefix, or the one file or object of that name. Raises Refused when it is missing.

    A link or a device is listed too, with the objection that it cannot be fetched.
    """
    source = place(source)
    return _objects_at(source) if source.startswith("s3://") else _local_files_at(Path(source))


def _objects_at(source: str) -> Iterator[Stored]:
    bucket, prefix = s3.address(source)
    below = f"{prefix}/" if prefix else ""
    found = False
    for entry in s3.objects(bucket, below):
        key = entry["Key"]
        if not (key.endswith("/") and entry["Size"] == 0):  # a mark that stands for a folder
            found = True
            cold = entry.get("StorageClass") in s3.COLD
            yield Stored(
                uri=f"s3://{bucket}/{key}",
                name=key.removeprefix(below),
                size=entry["Size"],
                etag=entry["ETag"].strip('"'),
                modified=entry["LastModified"].timestamp(),
                objection="it is archived; restore it from Glacier first" if cold else "",
            )
    if prefix and not found and (alone := _object(bucket, prefix)):
        yield alone


def _object(bucket: str, key: str) -> Stored | None:
    entry = s3.head(bucket, key)
    if entry is None:
        return None
    etag, modified = entry["ETag"].strip('"'), entry["LastModified"].timestamp()
    return Stored(f"s3://{bucket}/{key}", key.rpartition("/")[2], entry["ContentLength"], etag, modified)


def _local_files_at(source: Path) -> Iterator[Stored]:
    if not source.exists():
        raise Refused(f"there is no folder or file {source}; check the path")
    if not source.is_dir():
        paths = [source]
        root = source.parent
    else:
        paths = [
            Path(folder) / name
            for folder, inner, names in os.walk(source, onerror=_refuse)
            for name in names + [d for d in inner if (Path(folder) / d).is_symlink()]
        ]
        root = source
    for path in sorted(paths):
        if found := _local(path, path.relative_to(root).as_posix()):
            yield found


def _refuse(error: OSError) -> None:
    raise ScriptoriumError(f"{error.filename} cannot be listed: {error.strerror}; give this user the right to read it")


def _local(path: Path, name: str) -> Stored | None:
    try:
        facts = path.lstat()
    except FileNotFoundError:
        return None
    kind = stat.S_IFMT(facts.st_mode)
    objection = {stat.S_IFREG: "", stat.S_IFLNK: "it is a link, which may lead anywhere"}.get(
        kind, "it is no plain file"
    )
    # A change of content that keeps size and time of modification still shows in ctime.
    etag = f"{facts.st_mtime_ns:x}-{facts.st_ctime_ns:x}-{facts.st_ino:x}"
    return Stored(str(path), name, facts.st_size, etag, facts.st_mtime, objection)


def look(stored: Stored) -> Stored | None:
    """The file as it is now; None when it is gone."""
    if stored.uri.startswith("s3://"):
        found = _object(*s3.address(stored.uri))
        return found and Stored(found.uri, stored.name, found.size, found.etag, found.modified)
    return _local(Path(stored.uri), stored.name)


def fetch(stored: Stored, target: Path, arrived: Callable[[int], None] = lambda _: None) -> Fetched:
    """Bring a file to `target`, going on after what already lies there, and prove it; `arrived` counts what comes.

    `target` is for this content alone: its name should come from `part_name`. Raises Changed when the file is no
    longer the one that was listed, Damaged (and removes `target`) when other bytes arrived than the store holds.
    """
    digests = Digests(_part_size(stored))
    if target.exists() and target.stat().st_size > stored.size:
        target.unlink()
    with target.open("a+b") as file:
        file.seek(0)
        while block := file.read(BLOCK):
            digests.update(block)
        # An empty rest is not asked for: S3 refuses such a range.
        for block in _read(stored, digests.size) if digests.size < stored.size else ():
            file.write(block)
            digests.update(block)
            arrived(len(block))
        file.flush()
        os.fsync(file.fileno())
    try:
        return Fetched(digests.sha256, _prove(stored, digests))
    except (Changed, Damaged):
        target.unlink()
        raise


def part_name(stored: Stored) -> str:
    """A file name that stands for one content of one file."""
    return sha256_text(f"{stored.uri}\n{stored.etag}\n{stored.size}")[:32]


def _part_size(stored: Stored) -> int | None:
    if not stored.uri.startswith("s3://"):
        return None
    return s3.part_size(*s3.address(stored.uri), stored.etag)


def _read(stored: Stored, offset: int) -> Iterator[bytes]:
    if stored.uri.startswith("s3://"):
        yield from s3.read(*s3.address(stored.uri), stored.etag, offset)
        return
    try:
        with Path(stored.uri).open("rb") as file:
            file.seek(offset)
            while block := file.read(BLOCK):
                yield block
    except FileNotFoundError:
        raise Changed(f"{stored.uri} was deleted before it was read") from None
    except PermissionError:
        raise ScriptoriumError(f"{stored.uri} cannot be read: permission denied; give this user the right") from None


def _prove(stored: Stored, digests: Digests) -> str:
    if stored.uri.startswith("s3://"):
        if digests.size != stored.size:
            raise Damaged(f"{stored.uri}: {digests.size:,} bytes arrived, the store holds {stored.size:,}")
        return s3.prove(*s3.address(stored.uri), stored.etag, digests)
    if _local(Path(stored.uri), stored.name) != stored or digests.size != stored.size:
        raise Changed(f"{stored.uri} was changed while it was being read")
    return "unchanged while read"


def put(path: Path, uri: str, sent: Callable[[int], None] = lambda _: None) -> Stored:
    """Put a file at a path or s3:// address and prove that it arrived; what this returns, `delete` takes back.

    `sent` counts the bytes that go to S3.
    Raises ScriptoriumError when the store then holds something else.
    """
    mine = digests_of(path, s3.PART)
    if not uri.startswith("s3://"):
        return _put_locally(path, Path(uri), mine)
    bucket, key = s3.address(uri)
    s3.upload(path, bucket, key, sent)
    there = _object(bucket, key)
    if there is None or there.size != mine.size:
        raise Damaged(f"{uri}: {path} was put there, but the store does not hold its {mine.size:,} bytes; try again")
    s3.prove(bucket, key, there.etag, mine)
    return there


def _put_locally(path: Path, target: Path, mine: Digests) -> Stored:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    there = Digests()
    with path.open("rb") as source, part.open("w+b") as file:
        while block := source.read(BLOCK):
            file.write(block)
            there.update(block)
        file.flush()
        os.fsync(file.fileno())
    if there.sha256 != mine.sha256:
        part.unlink()
        raise Changed(f"{path} was changed while it was being copied; try again")
    part.replace(target)
    found = _local(target, target.name)
    if found is None:
        raise Changed(f"{target} was deleted as soon as it was written")
    return found


def delete(stored: Stored) -> None:
    """Delete what `put` put there. Raises Changed, and deletes nothing, when something else lies there by now."""
    there = look(stored)
    if there is None:
        return
    if (there.etag, there.size) != (stored.etag, stored.size):
        raise Changed(f"{stored.uri} is not what was put there; it stays")
    if stored.uri.startswith("s3://"):
        s3.remove(*s3.address(stored.uri))
    else:
        Path(stored.uri).unlink()
