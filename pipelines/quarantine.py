"""Rows that validation set aside: kept in batches until a person decides; what is released joins the data, on record.

A batch lies at the artifact root, `quarantine/<batch>/`: quarantined.jsonl as `check_files` writes it, and its
manifest, written last. Releases are a chain, `quarantine/releases.jsonl`.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.artifact import MANIFEST, sha256_file, write_json
from pipelines.errors import Refused, ScriptoriumError, near_miss
from pipelines.findings import Verdict
from pipelines.outputs import QUARANTINED
from pipelines.row_text import strings_in, texts_of
from pipelines.settings import Settings
from pipelines.shared import bring_all, brought, place

PERSONAL = "personal_data"
SHOWN = 80  # characters of a text
CHUNK = 1_000  # rows judged at a time


class Batch(BaseModel):
    """What some rows were set aside from: an ingest of `source` for a recipe, into a file of the data.

    `md5` is the version that was made of the rest, None if none was; `rows` and `sha256` are filled in by `keep`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    batch: str
    source: str
    recipe: str
    target: str
    md5: str | None
    verdict: Verdict
    rows: int = 0
    sha256: str = ""


class Aside(BaseModel):
    """A row that was set aside; its number counts from 1 within the batch."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    number: int = 0
    file: str
    line: int
    checks: tuple[str, ...]
    row: dict[str, Any]


class Glimpse(BaseModel):
    """What may be shown of a row: a text only where nothing in the row is personal data."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    number: int
    file: str
    line: int
    checks: tuple[str, ...]
    personal: bool
    text: str | None


def folder(settings: Settings) -> Path:
    return Path(settings.artifacts) / "quarantine"


def keep(checked: Path, batch: Batch, settings: Settings) -> Path:
    """Keep the quarantined.jsonl of a folder that `check_files` wrote, and return the batch's folder.

    The same batch kept twice is kept once. Raises Refused for a batch of that name with other rows.
    """
    if not re.fullmatch(r"[\w.:+-]{1,200}", batch.batch, re.ASCII) or batch.batch.startswith("."):
        raise Refused(f"batch {batch.batch[:80]!r} is not made of 1 to 200 letters, digits and _ - . : +")
    source, target = checked / QUARANTINED, folder(settings) / batch.batch
    whole = batch.model_copy(update={"sha256": sha256_file(source), "rows": _count(source)})
    if brought(target / MANIFEST, settings).is_file():
        if read_batch(batch.batch, settings) != whole:
            raise Refused(f"a batch {batch.batch} with other rows is in quarantine already")
        return target
    # The rows may hold somebody's data: only this user reads them.
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = target / f".{QUARANTINED}.part"
    part.touch(mode=0o600)
    shutil.copyfile(source, part)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    place(part, target / QUARANTINED, settings)
    write_json(part, whole.model_dump(mode="json"))
    place(part, target / MANIFEST, settings)
    return target


def batches(settings: Settings) -> list[Batch]:
    """Every whole batch, by name."""
    bring_all(folder(settings), settings, named={MANIFEST})
    return [_read(path) for path in sorted(folder(settings).glob(f"*/{MANIFEST}"))]


def read_batch(name: str, settings: Settings) -> Batch:
    """A batch by its name. Raises Refused, with the near miss, when there is none."""
    known = [batch.batch for batch in batches(settings)]
    if name not in known:
        said = near_miss(name, known) if known else "none is kept"
        raise Refused(f"no batch {name[:80]!r} is in quarantine; {said} (`scriptorium quarantine list`)")
    return _read(folder(settings) / name / MANIFEST)


def rows_of(batch: Batch, settings: Settings) -> Iterator[Aside]:
    """The rows of a batch in order. Raises ScriptoriumError when they are not those that were kept."""
    path = brought(folder(settings) / batch.batch / QUARANTINED, settings)
    if not path.is_file() or sha256_file(path) != batch.sha256:
        raise ScriptoriumError(f"{path} is not what was kept: its sha256 is another; restore it from a backup")
    from pydantic_core import from_json

    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            yield Aside.model_validate({**from_json(line), "number": number})


def glimpses(batch: Batch, settings: Settings) -> Iterator[Glimpse]:
    """What may be shown of each row of a batch."""
    rows = rows_of(batch, settings)
    while chunk := list(islice(rows, CHUNK)):
        personal = with_personal_data(chunk)
        for row in chunk:
            held = row.number in personal
            text = None if held else next(iter(texts_of(row.row)), "")[:SHOWN]
            yield Glimpse(**row.model_dump(exclude={"row"}), personal=held, text=text)


def with_personal_data(rows: list[Aside]) -> set[int]:
    """The numbers of the rows in which a check or the search finds personal data, in any of their strings."""
    import polars as pl

    from pipelines.personal_data import find

    owners, texts = [], []
    for row in rows:
        for text in strings_in(row.row, without=frozenset()):
            owners.append(row.number)
            texts.append(text)
    found = find(pl.Series(texts, dtype=pl.String))["position"].to_list() if texts else []
    return {owners[position] for position in found} | {row.number for row in rows if PERSONAL in row.checks}


def _read(path: Path) -> Batch:
    try:
        return Batch.model_validate_json(path.read_bytes())
    except ValidationError:
        raise ScriptoriumError(f"{path} is no manifest of a batch; restore it, or delete its folder") from None


def _count(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)
