"""Add accepted rows to files of the data.

An id that is there with the same content is nothing new; with other content it is a conflict to refuse or to replace.
Memory: about 40 bytes a new row; the rows themselves stay in their file, and the old ones pass by.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal, Self

from pipelines.artifact import canonical
from pipelines.bytes_progress import BytesProgress
from pipelines.errors import Refused
from pipelines.settings import Settings
from pipelines.version_files import chunks_of, split
from pipelines.version_history import Change, Record
from pipelines.versions import Cause, Edit, new_version

OnConflict = Literal["refuse", "replace"]
BATCH = 1_000  # lines looked up at a time
NAMED = 10  # ids named in a message


def add_rows(
    rows: Mapping[str, Path], on_conflict: OnConflict, cause: Cause, settings: Settings, *, commit: bool = False
) -> Record | None:
    """Add rows to files of the data, as one new version; None when every row is there already.

    `rows`: file in the data folder ("tasks/x/train.jsonl") to the JSON lines for it. A replaced row keeps its
    place, new ones come last, in their order. Raises Refused naming ids in conflict, ten at most, or the line of a row
    without an id; then nothing has changed.
    """
    for path in rows.values():
        if not path.is_file():
            raise Refused(f"there is no file {path} with rows to add")
    edits = {target: adding(target, path, on_conflict) for target, path in rows.items()}
    return new_version(edits, cause, settings, commit=commit)


def adding(target: str, rows: Path, on_conflict: OnConflict) -> Edit:
    """The edit that adds the rows of a file."""

    def edit(old: Iterator[bytes]) -> Generator[bytes, None, Change]:
        with NewRows(rows) as new:
            replaced = yield from _kept(target, old, new, on_conflict)
            added = yield from new.unseen()
        return Change(added=added, replaced=replaced)

    return edit


def write_added(path: Path, old: Path | None, target: str, rows: Path, on_conflict: OnConflict) -> None:
    """Write a file of the data as it would be with the rows of another; `old` is it now, None where it is not there."""
    lines = split(chunks_of(old)) if old else iter(())
    with path.open("wb") as file:
        for line in adding(target, rows, on_conflict)(lines):
            file.write(line + b"\n")


def _kept(target: str, old: Iterator[bytes], new: NewRows, on_conflict: OnConflict) -> Generator[bytes, None, int]:
    """The old lines, each replaced where a new row has its id and other content; how many were."""
    conflicts: list[str] = []
    replaced = number = 0
    while batch := list(islice(old, BATCH)):
        ids = [id_of(line, target, number + place) for place, line in enumerate(batch, 1)]
        number += len(batch)
        for line, name, other in zip(batch, ids, new.matching(ids), strict=True):
            if other is None or same(line, other):
                yield line
            else:
                replaced += 1
                conflicts += [name] if len(conflicts) < NAMED else []
                yield other
    if replaced and on_conflict == "refuse":
        raise Refused(
            f"{target} has {replaced:,} of the ids of {new.path} with other content: {_list(conflicts, replaced)}; "
            "give those rows other ids, or let them replace what is there"
        )
    return replaced


class NewRows:
    """The rows of a file by id: sorted hashes with the place of each line, compared by their real ids."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Self:
        import numpy as np

        self.file: IO[bytes] = self.path.open("rb")
        hashes, places = self._index()
        order = np.argsort(np.frombuffer(hashes, dtype=np.uint64), kind="stable")
        self.hashes = np.frombuffer(hashes, dtype=np.uint64)[order]
        self.places = np.frombuffer(places, dtype=np.uint64)[order]
        self.seen = np.zeros(len(order), dtype=bool)
        self._refuse_repeated()
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def _index(self) -> tuple[array[int], array[int]]:
        hashes, places, place = array("Q"), array("Q"), 0
        progress = BytesProgress(f"reading {self.path.name}", self.path.stat().st_size)
        for number, line in enumerate(self.file, 1):
            if text := line.rstrip(b"\n"):
                hashes.append(hash_of(id_of(text, str(self.path), number)))
                places.append(place)
            place += len(line)
            progress.add(len(line))
        return hashes, places

    def matching(self, ids: Sequence[str]) -> list[bytes | None]:
        """For each id the line of the new row that has it, or None; such a row counts as seen."""
        import numpy as np

        wanted = np.fromiter((hash_of(name) for name in ids), dtype=np.uint64, count=len(ids))
        first = np.searchsorted(self.hashes, wanted, side="left")
        past = np.searchsorted(self.hashes, wanted, side="right")
        pairs = zip(first.tolist(), past.tolist(), strict=True)
        return [self._exact(name, range(*pair)) for name, pair in zip(ids, pairs, strict=True)]

    def _exact(self, name: str, candidates: range) -> bytes | None:
        for position in candidates:
            line = self._line(position)
            if id_of(line, str(self.path), 0) == name:
                self.seen[position] = True
                return line
        return None

    def unseen(self) -> Generator[bytes, None, int]:
        """The lines of the rows that no old row has, in the order of the file; how many."""
        import numpy as np

        places = np.sort(self.places[~self.seen])
        progress = BytesProgress(f"adding {self.path.name}", self.path.stat().st_size)
        for place in places:
            self.file.seek(int(place))
            line = self.file.readline()
            progress.add(len(line))
            yield line.rstrip(b"\n")
        return len(places)

    def _line(self, position: int) -> bytes:
        self.file.seek(int(self.places[position]))
        return self.file.readline().rstrip(b"\n")

    def _refuse_repeated(self) -> None:
        """An id twice in the file: the same row again counts as seen, another row is refused."""
        import numpy as np

        repeated: list[str] = []
        for position in (np.flatnonzero(self.hashes[1:] == self.hashes[:-1]) + 1).tolist():
            line, name = self._line(position), id_of(self._line(position), str(self.path), 0)
            before = int(np.searchsorted(self.hashes, self.hashes[position], side="left"))
            for other in map(self._line, range(before, position)):
                if id_of(other, str(self.path), 0) == name:
                    self.seen[position] = True
                    repeated += [] if same(line, other) else [name]
                    break
        if repeated:
            raise Refused(f"{self.path} has ids twice with different content: {_list(repeated[:NAMED], len(repeated))}")


def id_of(line: bytes, file: str, number: int) -> str:
    """The id of a row. Raises Refused naming file and line when there is none."""
    from pydantic_core import from_json

    try:
        name = from_json(line, allow_inf_nan=False)["id"]
    except (ValueError, KeyError, TypeError):
        name = None
    if not isinstance(name, str) or not name:
        raise Refused(f"{file}, line {number}: no JSON object with an id; validate the file first")
    return name


def hash_of(name: str) -> int:
    """64 bits of an id."""
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def same(line: bytes, other: bytes) -> bool:
    """Whether two lines are the same row: the same JSON, however it is spelt; 1, 1.0 and true differ."""
    return line == other or spelling(line) == spelling(other)


def spelling(line: bytes) -> str:
    """A row's one spelling."""
    row: Any = json.loads(line)
    return canonical(row)


def _list(ids: Sequence[str], count: int) -> str:
    more = f" and {count - len(ids):,} more" if count > len(ids) else ""
    return ", ".join(name[:80] for name in ids) + more
