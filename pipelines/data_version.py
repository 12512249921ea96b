"""The version of a data folder: DVC's own hash of it, computed without DVC, and the first file that differs."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

import yaml  # type: ignore[import-untyped]
from pydantic import BaseModel, ConfigDict

from pipelines.errors import Refused


class DataVersion(BaseModel):
    """What a `.dvc` file says of a folder; `files` is our note in its `meta`, which DVC keeps and ignores."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    md5: str
    size: int
    files: dict[str, str]


def version_of(folder: Path) -> DataVersion:
    """Hash every file below `folder` and the folder itself, as DVC 3 does."""
    paths = sorted((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.relative_to(folder).parts)
    files = {p.relative_to(folder).as_posix(): md5_file(p) for p in paths}
    return DataVersion(md5=folder_md5(files), size=sum(p.stat().st_size for p in paths), files=files)


def folder_md5(files: Mapping[str, str]) -> str:
    """DVC's hash of a folder: md5 over its list of files."""
    return hashlib.md5(folder_text(files).encode(), usedforsecurity=False).hexdigest() + ".dir"


def folder_text(files: Mapping[str, str]) -> str:
    """DVC's list of a folder's files: JSON, sorted by the parts of their paths."""
    entries = [{"md5": files[name], "relpath": name} for name in sorted(files, key=lambda name: name.split("/"))]
    return json.dumps(entries, sort_keys=True)


def md5_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def read_version(path: Path) -> DataVersion:
    """Read a `.dvc` file of one folder. Raises Refused when there is none or it is not one."""
    if not path.is_file():
        raise Refused(f"{path} is missing: it names the version of the data; `scriptorium data build` writes it")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        (out,) = values["outs"]
        files = (values.get("meta") or {}).get("files") or {}
        version = DataVersion(md5=out["md5"], size=out["size"], files=files)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError):
        raise Refused(f"{path} is not a DVC file of one folder; get it back with `git checkout {path.name}`") from None
    if not re.fullmatch(r"[0-9a-f]{32}\.dir", version.md5):
        raise Refused(f"{path}: md5 is {version.md5!r}, not that of a folder (32 hex digits and .dir)")
    return version


def write_version(version: DataVersion, folder: Path, path: Path) -> None:
    """Write the `.dvc` file of `folder` to `path` at once, in the order in which DVC writes it."""
    out = {
        "md5": version.md5,
        "size": version.size,
        "nfiles": len(version.files),
        "hash": "md5",
        "path": folder.name,
    }
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8") as file:
        yaml.safe_dump({"outs": [out], "meta": {"files": version.files}}, file, sort_keys=False, allow_unicode=True)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def difference(found: DataVersion, wanted: DataVersion) -> str | None:
    """Name the first file that is missing, surplus or changed; None when the versions are the same."""
    if found.md5 == wanted.md5:
        return None
    if folder_md5(wanted.files) != wanted.md5:
        return f"its md5 is {found.md5}, not {wanted.md5} (the .dvc file lists no files of that version to compare)"
    for name in sorted(found.files.keys() | wanted.files.keys()):
        if name not in found.files:
            return f"{name} is missing"
        if name not in wanted.files:
            return f"{name} does not belong there"
        if found.files[name] != wanted.files[name]:
            return f"{name} is changed (md5 {found.files[name]}, not {wanted.files[name]})"
    raise AssertionError("two versions with the same files have the same md5")
