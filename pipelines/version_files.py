"""The files of a version: read line by line, counted, rewritten by an edit beside the old ones."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pipelines.bytes_progress import BytesProgress
from pipelines.data_version import md5_file
from pipelines.dvc_objects import CHUNK, Objects, open_objects
from pipelines.settings import Settings
from pipelines.version_history import Change, FileFacts

# Takes the old lines of a file, yields the new ones, and returns what changed. Lines come without their line feed.
Edit = Callable[[Iterator[bytes]], Generator[bytes, None, Change]]


@dataclass(frozen=True)
class Workbench:
    """What a change of the version works with: a folder for what is half-done, and the DVC remote."""

    settings: Settings
    folder: Path

    @cached_property
    def objects(self) -> Objects:
        return open_objects(self.settings)


def split(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines in chunks of bytes, empty ones left out. Only a line feed ends a line."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from filter(None, lines)
    if rest:
        yield rest


def chunks_of(path: Path, progress: BytesProgress | None = None) -> Iterator[bytes]:
    """The bytes of a file, a megabyte at a time."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
            if progress:
                progress.add(len(chunk))


def facts_of(name: str, chunks: Iterable[bytes]) -> FileFacts:
    """md5, bytes and rows of the file `name` that has these chunks."""
    found, size = hashlib.md5(usedforsecurity=False), 0

    def counted() -> Iterator[bytes]:
        nonlocal size
        for chunk in chunks:
            found.update(chunk)
            size += len(chunk)
            yield chunk

    rows = sum(1 for _ in split(counted()))
    return FileFacts(md5=found.hexdigest(), size=size, rows=rows if name.endswith(".jsonl") else None)


def in_data(name: str, md5: str, settings: Settings) -> Path | None:
    """The file of that name in the data folder, if it has that md5."""
    path = settings.data / name
    return path if path.is_file() and md5_file(path) == md5 else None


def rewritten(name: str, old: FileFacts | None, edit: Edit, bench: Workbench) -> tuple[FileFacts, Change]:
    """Write what `edit` makes of a file to the bench, at `new/<md5>`, and return its facts and what changed."""
    part, change = bench.folder / "new" / "part", Change()
    found, rows = hashlib.md5(usedforsecurity=False), 0

    def lines() -> Iterator[bytes]:
        nonlocal change
        change = yield from edit(_lines(name, old, bench))

    with part.open("wb") as file:
        for rows, line in enumerate(lines(), 1):  # noqa: B007
            found.update(line + b"\n")
            file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())
    facts = FileFacts(md5=found.hexdigest(), size=part.stat().st_size, rows=rows)
    part.replace(bench.folder / "new" / facts.md5)
    return facts, change


def _lines(name: str, old: FileFacts | None, bench: Workbench) -> Iterator[bytes]:
    if old is None:
        return iter(())
    path = in_data(name, old.md5, bench.settings)
    if path is None:
        path = bench.folder / "old"
        bench.objects.get(old.md5, path)
    return split(chunks_of(path, BytesProgress(name, old.size)))
