"""Chains: JSON lines, each holding the hash of the line before it, so that content and order can be proved."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines import growing
from pipelines.artifact import canonical, sha256_text
from pipelines.artifact_root import uri_of
from pipelines.errors import ScriptoriumError
from pipelines.settings import read_settings

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
    """All whole lines of a chain, in order; none without a file. Raises ScriptoriumError for a line of another kind.

    In an artifact root in S3 those that other machines have added, too.
    """
    growing.refresh(path)
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
    try:
        return [kind.model_validate_json(line) for line in lines]
    except ValidationError as error:
        where = uri_of(path, read_settings())
        raise ScriptoriumError(f"{where} holds a line that is no {name} entry; restore the file: {error}") from None


def check(path: Path, links: Sequence[Link], consequence: str) -> None:
    """Raise ScriptoriumError naming the first line that was edited, moved or removed, and what follows from it."""
    previous = START
    for number, link in enumerate(links):
        if (link.sequence, link.previous, link.sha256) != (number, previous, _hash(link)):
            where = uri_of(path, read_settings())
            raise ScriptoriumError(
                f"{where}, line {number + 1}: the chain is broken; this line or the one before was edited or removed. "
                f"{consequence}"
            )
        previous = link.sha256


def head(links: Sequence[Link]) -> str:
    return links[-1].sha256 if links else START


def append(path: Path, links: Sequence[Link], draft: AnyLink) -> AnyLink:
    """Seal `draft` as the line after `links`, flush it to the disk and return it; the caller holds the lock.

    Raises TryAgain when another machine has added a line meanwhile.
    """
    place = {"sequence": len(links), "previous": head(links), "at": datetime.now(UTC).isoformat(timespec="seconds")}
    link = draft.model_copy(update=place)
    link = link.model_copy(update={"sha256": _hash(link)})
    line = canonical(link.model_dump(mode="json")) + "\n"
    growing.append(path, line.encode(), lines=len(links))
    return link


def _hash(link: Link) -> str:
    return sha256_text(canonical(link.model_dump(mode="json", exclude={"sha256"})))
