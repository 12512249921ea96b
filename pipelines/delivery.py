"""Deliveries: what was taken in, file by file, and where it lies."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.artifact import MANIFEST
from pipelines.errors import ScriptoriumError
from pipelines.settings import Settings
from pipelines.storage import Stored


class TakenFile(BaseModel):
    """One file that was taken: where it lay, what it was then, and how that was proved."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    uri: str
    name: str
    size: int
    etag: str
    modified: float
    sha256: str
    proof: str

    def is_still(self, stored: Stored) -> bool:
        return (self.etag, self.size) == (stored.etag, stored.size)


class Delivery(BaseModel):
    """One taking. `files` lie below `files/`; `again` are those that held, under a new ETag, what was taken before."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str
    source: str
    taken: str
    files: tuple[TakenFile, ...]
    again: tuple[TakenFile, ...]


def landing(settings: Settings) -> Path:
    return settings.home / "landing"


def deliveries(settings: Settings) -> list[Delivery]:
    """All deliveries, oldest first. Their ids begin with the time, so that they sort."""
    return [_read(path) for path in sorted(landing(settings).glob(f"*/{MANIFEST}"))]


def _read(path: Path) -> Delivery:
    try:
        return Delivery.model_validate_json(path.read_bytes())
    except ValidationError:
        cure = "without it its files would be taken again; restore it, or delete the folder to do so"
        raise ScriptoriumError(f"{path} is damaged; {cure}") from None


def last_taken(taken: Iterable[Delivery]) -> dict[str, TakenFile]:
    """For each URI the newest content that was taken from it."""
    return {file.uri: file for delivery in taken for file in (*delivery.files, *delivery.again)}
