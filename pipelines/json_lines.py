"""The lines that a command reads and prints, one JSON object in each, so that commands can stand in a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from pipelines.errors import Refused


def open_text(source: str) -> tuple[str, Iterator[str]]:
    """A name for messages, and the lines of a UTF-8 file, or of standard input for "-"; only newlines end a line.

    Raises Refused, at once or while the lines are read, for what cannot be read.
    """
    if source == "-":
        return "standard input", _decoded("standard input", sys.stdin.buffer)
    try:
        return source, _decoded(source, Path(source).open("rb"))
    except OSError as error:
        cure = "give --input a file of JSON lines, or - for standard input"
        raise Refused(f"{source} cannot be read: {error.strerror}; {cure}") from None


def _decoded(name: str, file: BinaryIO) -> Iterator[str]:
    with file:
        for number, line in enumerate(file, 1):
            try:
                yield line.decode()
            except UnicodeDecodeError as error:
                place = f"{name}, line {number}: byte {error.start + 1}"
                raise Refused(f"{place} is not UTF-8; convert it, for example with iconv") from None


def print_rows(rows: Iterable[Mapping[str, Any]], file: TextIO | None = None) -> None:
    """Print each row on a line, to a file or to standard output, there in UTF-8 too: the next command reads that."""
    if file is None and isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    for row in rows:
        print(json.dumps(row, ensure_ascii=False), file=file)
    # Here, not at the interpreter's end, where it is too late to say nothing of a reader that has gone.
    print(end="", file=file, flush=True)
