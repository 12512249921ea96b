"""A file that a command makes: refused before the work where it cannot be, and never there in part."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from pipelines.errors import Refused


def require_free(path: Path) -> None:
    """Raise Refused where a file exists or could not be written: before the work, not after it."""
    if path.exists():
        raise Refused(f"{path} exists; name a file that does not")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise Refused(f"--out: {path.parent} is no folder that can be written in; make it, or name another")


@contextmanager
def new_file(path: Path) -> Iterator[TextIO]:
    """A file to write into, aside until the end: under its own name it is whole. After an error nothing is left."""
    require_free(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")  # two at once write two, each whole
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_new(path: Path, text: str) -> None:
    """Write a whole new file."""
    with new_file(path) as file:
        file.write(text)
