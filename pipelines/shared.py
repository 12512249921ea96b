"""Single files of an artifact root in S3: brought when they are not here, and put there before they count here.

Nothing here does anything where the artifact root is a folder.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipelines import s3, storage
from pipelines.artifact_root import is_in_store, uri_of
from pipelines.mirror import holds
from pipelines.settings import Settings
from pipelines.storage import Stored


def brought(path: Path, settings: Settings) -> Path:
    """The path of a file, which is brought from the store if it lies there and not here."""
    if is_in_store(path, settings) and not path.exists():
        for stored in storage.files_at(uri_of(path, settings)):
            if stored.uri == uri_of(path, settings):
                _bring(stored, path, settings)
    return path


def bring_all(folder: Path, settings: Settings, *, named: Iterable[str] = (), changing: bool = False) -> None:
    """Bring what lies in the store below a folder and not here; with `named`, only files of these names.

    A file that is here stays as it is, unless files there are `changing`.
    """
    if not is_in_store(folder, settings):
        return
    wanted = []
    for stored in storage.files_at(uri_of(folder, settings)):
        path = folder / stored.name
        if (not named or path.name in named) and (not path.exists() or (changing and not holds(stored, path))):
            wanted.append((stored, path))
    with ThreadPoolExecutor(s3.CONNECTIONS) as pool:
        list(pool.map(lambda pair: _bring(pair[0], pair[1], settings), wanted))


def share(path: Path, settings: Settings) -> None:
    """Put a file into the store, unless it lies there."""
    if is_in_store(path, settings):
        there = {stored.uri: stored for stored in storage.files_at(uri_of(path, settings))}
        uri = uri_of(path, settings)
        if uri not in there or not holds(there[uri], path):
            storage.put(path, uri)


def place(part: Path, path: Path, settings: Settings) -> None:
    """Put a finished file in its place: first in the store, then here, for whoever finds it here must find it there."""
    if is_in_store(path, settings):
        storage.put(part, uri_of(path, settings))
    part.replace(path)


def _bring(stored: Stored, path: Path, settings: Settings) -> None:
    part = Path(settings.artifacts) / ".parts" / storage.part_name(stored)
    part.parent.mkdir(parents=True, exist_ok=True)
    # Rows that were set aside may hold somebody's data: only this user reads what is brought.
    part.touch(mode=0o600)
    storage.fetch(stored, part)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part.replace(path)
