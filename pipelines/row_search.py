"""Look for rows in many files of data at once: by their ids, or by what they say. Each file is read once, as a stream.

Memory: about 300 bytes a row that is found, and what the texts looked for take.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal, NamedTuple

from pipelines.artifact import sha256_text
from pipelines.bytes_progress import BytesProgress
from pipelines.dvc_objects import open_objects
from pipelines.errors import ScriptoriumError
from pipelines.near_duplicates import NearIndex
from pipelines.row_text import said, telling, texts_of
from pipelines.settings import Settings
from pipelines.text_form import spaced
from pipelines.version_files import chunks_of, in_data

How = Literal["id", "same text", "near text"]
Row = Mapping[str, Any]
# Takes rows, gives the positions of those that are meant, each with how it was known.
Matcher = Callable[[Sequence[Row]], Iterable[tuple[int, How]]]
BATCH = 1_000  # rows looked at together


class Stored(NamedTuple):
    """A file of data by its md5: a name that it has in a version, and its bytes."""

    md5: str
    name: str
    size: int


class Match(NamedTuple):
    """A row that was found; `heldout` rows of a corpus are measured on, never learned from. Lines count from 1."""

    line: int
    id: str | None
    how: How
    sha256: str
    said: str | None
    heldout: bool
    texts: tuple[str, ...]


@dataclass
class Found:
    """What was found, by the md5 of the file; why a file could not be read; lines that are no JSON objects."""

    matches: dict[str, list[Match]] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    no_rows: dict[str, int] = field(default_factory=dict)


def search(files: Iterable[Stored], matcher: Matcher, settings: Settings, *, texts: bool = False) -> Found:
    """Look through each file, from the data folder where it is there, else from the DVC remote.

    With `texts`, keep the telling texts of what is found. A file that the remote lacks, or holds damaged, or cannot be
    asked for, is named as unread.
    """
    files, found = list(files), Found()
    progress = BytesProgress(f"looking through {len(files)} files", sum(file.size for file in files))
    for file in files:
        matches: list[Match] = []
        try:
            for batch in _batches(_rows(file, settings, progress, found)):
                matches += _matched(batch, matcher, texts=texts)
        except ScriptoriumError as error:
            found.unread[file.md5] = str(error)
        if matches:
            found.matches[file.md5] = matches
    return found


def by_id(ids: Iterable[str]) -> Matcher:
    """Rows that have one of these ids, letter for letter."""
    wanted = frozenset(ids)

    def match(rows: Sequence[Row]) -> Iterator[tuple[int, How]]:
        return ((place, "id") for place, row in enumerate(rows) if name_of(row) in wanted)

    return match


def by_text(texts: Iterable[str]) -> Matcher:
    """Rows with a text that is one of these, but for case, width, punctuation and white space; or nearly is."""
    index, wanted = NearIndex(), sorted(set(texts))
    index.add(wanted)
    forms = set(map(spaced, wanted)) - {""}

    def match(rows: Sequence[Row]) -> Iterator[tuple[int, How]]:
        owners, theirs = _owned(rows)
        same = {place for place, text in zip(owners, theirs, strict=True) if spaced(text) in forms}
        near = {owners[position] for position, _ in index.find(theirs)}
        for place in sorted(same | near):
            yield place, "same text" if place in same else "near text"

    return match


def name_of(row: Row) -> str | None:
    """A row's id; None where it is no text."""
    name = row.get("id")
    return name if isinstance(name, str) else None


def digest_of(row: Row) -> str:
    """sha256 of a row's one spelling; a row with NaN, which is no JSON but may lie in old files, has one too."""
    return sha256_text(json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def said_of(row: Row) -> str | None:
    """sha256 of what a row says, whatever its id; None for a row that says no more than a phrase."""
    texts = said(row)
    return sha256_text("\n".join(texts)) if texts else None


def _owned(rows: Sequence[Row]) -> tuple[list[int], list[str]]:
    """The texts of all rows, and beside them the position of the row of each."""
    pairs = [(place, text) for place, row in enumerate(rows) for text in texts_of(row)]
    return [place for place, _ in pairs], [text for _, text in pairs]


def _matched(batch: Sequence[tuple[int, Row]], matcher: Matcher, *, texts: bool) -> Iterator[Match]:
    for place, how in matcher([row for _, row in batch]):
        line, row = batch[place]
        kept = tuple(telling(row)) if texts else ()
        yield Match(line, name_of(row), how, digest_of(row), said_of(row), row.get("split") == "heldout", kept)


def _batches(rows: Iterator[tuple[int, Row]]) -> Iterator[list[tuple[int, Row]]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


def _rows(file: Stored, settings: Settings, progress: BytesProgress, found: Found) -> Iterator[tuple[int, Row]]:
    from pydantic_core import from_json

    for number, line in _lines(_chunks(file, settings, progress)):
        try:
            row = from_json(line)
        except ValueError:
            row = None
        if isinstance(row, dict):
            yield number, row
        else:
            found.no_rows[file.md5] = found.no_rows.get(file.md5, 0) + 1


def _chunks(file: Stored, settings: Settings, progress: BytesProgress) -> Iterator[bytes]:
    path = in_data(file.name, file.md5, settings)
    for chunk in chunks_of(path) if path else open_objects(settings).proved(file.md5):
        yield chunk
        progress.add(len(chunk))


def _lines(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each line that is not empty; only a line feed ends one."""
    number, rest = 0, b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for number, line in enumerate(lines, number + 1):  # noqa: B020
            if line:
                yield number, line
    if rest:
        yield number + 1, rest
