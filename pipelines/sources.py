"""The files of rows behind some paths: an archive stands for its members."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.archive_readers import Bounds
from pipelines.archives import is_archive, unpack
from pipelines.containers import Unreadable
from pipelines.errors import Refused
from pipelines.limits import Limits


@dataclass(frozen=True)
class Source:
    """A file of rows: what a person calls it, where it lies, or why it is not to be had."""

    name: str
    path: Path | None
    refused: Unreadable | None = None


def sources(paths: Sequence[Path], folder: Path, limits: Limits, say: Callable[[str], None]) -> list[Source]:
    """The files of rows behind paths, archives unpacked below `folder`. Raises Refused for a file that is missing."""
    found = []
    for number, path in enumerate(paths):
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is not there"
            raise Refused(f"{path} {what}; give files of rows, or archives of such files")
        if not os.access(path, os.R_OK):
            raise Refused(f"{path} may not be read; give this user the right to")
        found += _members(path, folder / f"unpacked-{number}", limits, say) if is_archive(path) else [_plain(path)]
    return found


def _plain(path: Path) -> Source:
    return Source(str(path), path)


def _members(path: Path, folder: Path, limits: Limits, say: Callable[[str], None]) -> list[Source]:
    bounds = Bounds(size=limits.unpacked_bytes, ratio=limits.unpacked_ratio)
    try:
        files = unpack(path, folder, bounds, say)
    except Refused as refused:
        message = "; ".join(line.removeprefix("- ") for line in str(refused).splitlines())
        kinds = {"expands to": "decompression_bomb", "damaged": "container", "share their bytes": "decompression_bomb"}
        check = next((check for words, check in kinds.items() if words in message), "unsafe_archive")
        return [Source(str(path), None, Unreadable(check, message, ""))]
    return [Source(f"{path}/{file.relative_to(folder)}", file) for file in files]
