"""Artifacts: folders whose manifest, written last, says that they are whole."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from pipelines.errors import ScriptoriumError

MANIFEST = "manifest.json"
# How long things took differs from one making to the next; it is kept, but is no part of the content.
TIMINGS = "timings.json"


class NotWhole(ScriptoriumError):
    """There is no artifact, or it is not what its manifest says."""


class FileEntry(BaseModel):
    """One file of an artifact."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    sha256: str
    size: int


class Manifest(BaseModel):
    """What an artifact holds and what it was made from; `digest` identifies the content."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    step: str
    key: str
    made_from: dict[str, str]
    parents: dict[str, str]
    files: dict[str, FileEntry]
    digest: str


def canonical(value: Any) -> str:
    """JSON with one spelling: sorted keys, no spaces, no NaN (RFC 8785 for the types used here)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def key_of(made_from: dict[str, str]) -> str:
    """A step's key: sha256 over the canonical JSON of everything its output depends on."""
    return sha256_text(canonical(made_from))


def sha256_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically and readably; NaN is refused."""
    part = path.with_name(path.name + ".part")
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def read_kept(path: Path) -> Any:
    """The JSON that an earlier try kept; None where it kept none, or where the file was lost with the power."""
    try:
        return read_json(path)
    except (FileNotFoundError, ValueError):
        return None


def seal(folder: Path, step: str, made_from: dict[str, str], parents: dict[str, str]) -> Manifest:
    """Write the manifest of a finished folder, after its files have reached the disk.

    `made_from` is all that the content depends on; its hash is the artifact's key. `parents` are URIs.
    """
    key = key_of(made_from)
    files = {p.relative_to(folder).as_posix(): _entry(p) for p in _files(folder)}
    digest = content_digest(files)
    manifest = Manifest(step=step, key=key, made_from=made_from, parents=parents, files=files, digest=digest)
    write_json(folder / MANIFEST, manifest.model_dump())
    return manifest


def content_digest(files: dict[str, FileEntry]) -> str:
    """The digest of an artifact's content: over every file but the timings."""
    return sha256_text(canonical({name: entry.sha256 for name, entry in files.items() if name != TIMINGS}))


def publish(folder: Path, target: Path) -> None:
    """Move a sealed folder to its place at once; what stood there half-done is replaced."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        shutil.rmtree(target)
    folder.replace(target)


def read_manifest(folder: Path | str) -> Manifest:
    """The manifest of a whole artifact. Raises NotWhole when there is none, or what is there is no manifest."""
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise NotWhole(f"{folder} is not a whole artifact: it lacks {MANIFEST}; run the step that makes it again")
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValueError:
        raise NotWhole(f"{path} is no manifest; run the step that makes it again") from None


def is_whole(folder: Path | str) -> bool:
    """Whether every file of the manifest is there with its size and digest."""
    try:
        verify(folder)
    except NotWhole:
        return False
    return True


def verify(folder: Path | str, called: str = "") -> Manifest:
    """Re-hash every file of an artifact. Raises NotWhole naming the first that differs, as it is `called`."""
    manifest, called = read_manifest(folder), called or str(folder)
    present = {p.relative_to(folder).as_posix() for p in _files(Path(folder))}
    if surplus := present - set(manifest.files):
        raise NotWhole(f"{called} holds {min(surplus)}, which its manifest does not name")
    for name, entry in manifest.files.items():
        path = Path(folder) / name
        if not path.is_file():
            raise NotWhole(f"{called} lacks {name}, which its manifest names")
        if path.stat().st_size != entry.size or sha256_file(path) != entry.sha256:
            raise NotWhole(f"{called}/{name} is not the file its manifest names: sha256 differs")
    if manifest.digest != content_digest(manifest.files):
        raise NotWhole(f"{called}/{MANIFEST} was changed: its digest is not that of the files it names")
    if manifest.key != key_of(manifest.made_from):
        raise NotWhole(f"{called}/{MANIFEST} was changed: its key is not that of what it was made from")
    return manifest


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / MANIFEST)


def _entry(path: Path) -> FileEntry:
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return FileEntry(sha256=sha256_file(path), size=path.stat().st_size)
