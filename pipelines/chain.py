"""Chains: JSON lines, each holding the hash of the line before it, so that content and order can be proved."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.artifact import canonical, sha256_text
from pipelines.errors import ScriptoriumError

START = "0" * 64


class Link(BaseModel):
    """One line: its place, when it was written, and the hash that ties it to all lines before."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    sequence: int = 0
    previous: str = START
    at: str = ""
    sha256: str = ""


AnyLink = TypeVar("AnyLink", bound=Link)


def read(path: Path, kind: type[AnyLink], name: str) -> list[AnyLink]:
    """All whole lines of a chain, in order; none without a file. Raises ScriptoriumError for a line of another kind."""
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
    try:
        return [kind.model_validate_json(line) for line in lines]
    except ValidationError as error:
        raise ScriptoriumError(f"{path} holds a line that is no {name} entry; restore the file: {error}") from None


def check(path: Path, links: Sequence[Link], consequence: str) -> None:
    """Raise ScriptoriumError naming the first line that was edited, moved or removed, and what follows from it."""
    previous = START
    for number, link in enumerate(links):
        if (link.sequence, link.previous, link.sha256) != (number, previous, _hash(link)):
            raise ScriptoriumError(
                f"{path}, line {number + 1}: the chain is broken; this line or the one before was edited or removed. "
                f"{consequence}"
            )
        previous = link.sha256


def head(links: Sequence[Link]) -> str:
    return links[-1].sha256 if links else START


def append(path: Path, links: Sequence[Link], draft: AnyLink) -> AnyLink:
    """Seal `draft` as the line after `links`, flush it to the disk and return it; the caller holds the lock."""
    place = {"sequence": len(links), "previous": head(links), "at": datetime.now(UTC).isoformat(timespec="seconds")}
    link = draft.model_copy(update=place)
    link = link.model_copy(update={"sha256": _hash(link)})
    _drop_half_line(path)
    _write(path, canonical(link.model_dump(mode="json")) + "\n")
    return link


def _drop_half_line(path: Path) -> None:
    """A process killed while writing leaves a line without an end; it was never acknowledged, so it goes."""
    if not path.exists():
        return
    whole = path.read_bytes().rpartition(b"\n")
    if whole[2]:
        os.truncate(path, len(whole[0]) + len(whole[1]))


def _hash(link: Link) -> str:
    return sha256_text(canonical(link.model_dump(mode="json", exclude={"sha256"})))


def _write(path: Path, line: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
