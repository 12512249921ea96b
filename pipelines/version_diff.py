"""What differs between two versions of the data: files, rows by their ids, and how labels and lengths shifted.

Memory: about 50 bytes a row of a file that differs. Two ids are taken for one when 64 bits of their hashes agree.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter, deque
from collections.abc import Iterator
from itertools import islice
from typing import Any

from pydantic import BaseModel, ConfigDict

from pipelines.add_rows import NAMED, hash_of, spelling
from pipelines.bytes_progress import BytesProgress
from pipelines.errors import Refused
from pipelines.settings import Settings
from pipelines.version_history import changed, named
from pipelines.versions import lines_of

# Columns that say which row it is, not what it says.
ABOUT = ("id", "lang", "label", "labels", "split", "domain", "group")
SHIFTS = 3  # labels named in a line


class Rows(BaseModel):
    """How many rows, and the ids of at most ten of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    count: int = 0
    ids: tuple[str, ...] = ()


class FileDiff(BaseModel):
    """One file that differs; without rows where it is no JSON lines. `labels` and `lengths` are for people to read."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    file: str
    state: str
    added: Rows = Rows()
    removed: Rows = Rows()
    changed: Rows = Rows()
    labels: str | None = None
    lengths: str | None = None


class Table:
    """A file's rows as hashes of id and content, with lengths in characters and counted labels."""

    def __init__(self) -> None:
        self.ids, self.contents, self.lengths = array("Q"), array("Q"), array("I")
        self.labels: Counter[str] = Counter()

    def add(self, line: bytes) -> str:
        """Take a row in; its id."""
        from pydantic_core import from_json

        row = from_json(line)
        self.ids.append(hash_of(row["id"]))
        self.contents.append(_content(line))
        self.lengths.append(_length([value for name, value in row.items() if name not in ABOUT]))
        several = row.get("labels")
        for label in several if isinstance(several, list) else (row.get("label"),):
            if isinstance(label, str | int | float | bool):
                self.labels[str(label)] += 1
        return str(row["id"])


def diff(before: str, after: str, settings: Settings) -> list[FileDiff]:
    """Every file that differs between two recorded versions, by md5. Raises Refused for rows without an id."""
    old, new = named(before, settings).version.files, named(after, settings).version.files
    return [_file(name, before if name in old else None, after if name in new else None, settings)
            for name in changed(old, new)]  # fmt: skip


def _file(name: str, before: str | None, after: str | None, settings: Settings) -> FileDiff:
    state = "new" if before is None else "gone" if after is None else "changed"
    if not name.endswith(".jsonl"):
        return FileDiff(file=name, state=state)

    sizes = [named(md5, settings).files[name].size for md5 in (before, after) if md5]
    progress = BytesProgress(f"comparing {name}", sum(sizes))

    def lines(md5: str | None) -> Iterator[bytes]:
        for line in lines_of(md5, name, settings) if md5 else ():
            progress.add(len(line))
            yield line

    try:
        return _compared(name, state, lines, before, after)
    except (ValueError, KeyError, TypeError) as error:
        for md5 in (before, after):
            deque(lines(md5), maxlen=0)  # damage in the remote is the likelier cause; reading to the end says so
        raise Refused(
            f"{name} has a row that is no JSON object with an id, so rows cannot be compared: {error}"
        ) from None


def _compared(name: str, state: str, lines: Any, before: str | None, after: str | None) -> FileDiff:
    import numpy as np

    old, new = Table(), Table()
    for line in lines(before):
        old.add(line)
    order = np.argsort(_array(old.ids), kind="stable")
    ids, contents = _array(old.ids)[order], _array(old.contents)[order]
    left = np.ones(len(ids), dtype=bool)
    added, edited = Listed(), Listed()
    for line in lines(after):
        row = new.add(line)
        place = _place(ids, new.ids[-1])
        if place is None:
            added.take(row)
        else:
            left[place] = False
            if contents[place] != new.contents[-1]:
                edited.take(row)
    removed = _removed(lines(before), ids[left])
    return FileDiff(
        file=name,
        state=state,
        added=added.rows(),
        removed=removed,
        changed=edited.rows(),
        labels=_labels(old.labels, new.labels),
        lengths=_lengths(old.lengths, new.lengths),
    )


class Listed:
    """Counts ids and keeps the first ten."""

    def __init__(self) -> None:
        self.count, self.ids = 0, list[str]()

    def take(self, name: str) -> None:
        self.count += 1
        if len(self.ids) < NAMED:
            self.ids.append(name)

    def rows(self) -> Rows:
        return Rows(count=self.count, ids=tuple(self.ids))


def _removed(lines: Iterator[bytes], hashes: Any) -> Rows:
    """The first ids that have these sorted hashes, read again from the old file."""
    from pydantic_core import from_json

    ids = (str(from_json(line)["id"]) for line in lines) if len(hashes) else ()
    gone = (name for name in ids if _place(hashes, hash_of(name)) is not None)
    return Rows(count=len(hashes), ids=tuple(islice(gone, NAMED)))


def _place(hashes: Any, wanted: int) -> int | None:
    """Where a hash stands among sorted ones."""
    import numpy as np

    place = int(np.searchsorted(hashes, np.uint64(wanted)))
    return place if place < len(hashes) and hashes[place] == wanted else None


def _content(line: bytes) -> int:
    return int.from_bytes(
        hashlib.blake2b(spelling(line).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little"
    )


def _length(value: Any) -> int:
    """Characters of all texts in a value."""
    if isinstance(value, str):
        return len(value)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(map(_length, parts))


def _array(values: array[int]) -> Any:
    import numpy as np

    return np.frombuffer(values, dtype=np.uint64) if values else np.zeros(0, dtype=np.uint64)


def _labels(old: Counter[str], new: Counter[str]) -> str | None:
    """The labels whose shares moved most, in points."""
    if not old or not new:
        return ", ".join(f"{name[:40]} {count:,}" for name, count in (old or new).most_common(SHIFTS)) or None
    shares = {name: (old[name] / old.total(), new[name] / new.total()) for name in old | new}
    most = sorted(shares, key=lambda name: -abs(shares[name][1] - shares[name][0]))[:SHIFTS]
    return ", ".join(f"{name[:40]} {shares[name][0]:.1%} -> {shares[name][1]:.1%}" for name in most)


def _lengths(old: array[int], new: array[int]) -> str | None:
    import numpy as np

    def said(values: array[int]) -> str:
        median, high = np.percentile(np.frombuffer(values, dtype=np.uint32), (50, 95))
        return f"{median:,.0f} (95 % up to {high:,.0f})"

    both = [said(values) for values in (old, new) if values]
    return f"median {' -> '.join(both)} characters" if both else None
