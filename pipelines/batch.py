"""Batches: what was taken from a source and is not settled for a recipe; what came of each.

What came of a batch stays at the artifact root, in `ingest/<recipe>/<batch>.json`. A file that was refused is not
settled: it belongs to the next batch again, with what has come since, for as long as it lies at its source; one that
was taken away from there is withdrawn, and open again should it come back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pipelines import artifact_root, storage
from pipelines.artifact import canonical, sha256_text, write_json
from pipelines.delivery import deliveries, landing
from pipelines.findings import Result
from pipelines.settings import Settings
from pipelines.shared import bring_all, place
from pipelines.version_history import Change

State = Literal["accepted", "refused", "withdrawn"]


class Came(BaseModel):
    """A file that was taken: where it lay, in which delivery it came, and what it was."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    uri: str
    delivery: str
    name: str  # below the source that was asked for
    file: str  # the delivery's copy, below HOME/landing
    sha256: str
    size: int


class Batch(BaseModel):
    """Files to be checked and added together; `into` is where somebody said that they belong."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    source: str
    recipe: str
    into: str
    files: tuple[Came, ...]

    @property
    def id(self) -> str:
        """The same files for the same recipe are the same batch."""
        files = [[file.uri, file.delivery, file.sha256] for file in self.files]
        return sha256_text(canonical([self.recipe, self.into, files]))[:16]


class Outcome(BaseModel):
    """What came of a batch; `md5` is the data's version afterwards, `changes` is empty when no row was new."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str
    batch: Batch
    state: State
    at: str
    judged_by: str
    result: Result | None = None
    targets: dict[str, int] = {}
    md5: str | None = None
    changes: dict[str, Change] = {}
    quarantine: tuple[str, ...] = ()  # names of the batches of rows that were set aside
    announced: bool = False
    report: str | None = None  # the page about it


def next_batch(source: str, recipe: str, into: str, settings: Settings) -> Batch | None:
    """All that was taken at a source, or below it, and is not settled for the recipe; the newest of each file."""
    known = outcomes(recipe, settings)
    came = {(f.uri, f.delivery): o.state for o in known for f in o.batch.files}  # what came of each file last
    # What another machine took and settled comes once more in a delivery of this one.
    last = {f.uri: f.sha256 for o in known if o.state == "accepted" for f in o.batch.files}
    taken = [file for file in _taken(source, settings).values() if last.get(file.uri) != file.sha256]
    open_ = [file for file in taken if came.get((file.uri, file.delivery)) != "accepted"]
    gone = _gone(source, [file for file in open_ if (file.uri, file.delivery) in came])
    if new := [file for file in gone if came[file.uri, file.delivery] != "withdrawn"]:
        withdrawn = Batch(source=source, recipe=recipe, into=into, files=tuple(new))
        keep(Outcome(id=withdrawn.id, batch=withdrawn, state="withdrawn", at=now(), judged_by=""), settings)
    files = tuple(sorted((file for file in open_ if file not in gone), key=lambda file: file.uri))
    return Batch(source=source, recipe=recipe, into=into, files=files) if files else None


def _taken(source: str, settings: Settings) -> dict[str, Came]:
    found = {}
    for delivery in deliveries(settings):
        for file in delivery.files:
            if file.uri == source or file.uri.startswith(source.rstrip("/") + "/"):
                found[file.uri] = Came(
                    uri=file.uri,
                    delivery=delivery.id,
                    name=file.uri.removeprefix(source).lstrip("/") or file.name.rpartition("/")[2],
                    file=f"{delivery.id}/files/{file.name}",
                    sha256=file.sha256,
                    size=file.size,
                )
    return found


def _gone(source: str, files: Sequence[Came]) -> list[Came]:
    """Those that no longer lie at the source: whoever removed a refused file has withdrawn it."""
    there = {stored.uri for stored in storage.files_at(source)} if files else set()
    return [file for file in files if file.uri not in there]


def path_of(file: Came, settings: Settings) -> Path:
    return landing(settings) / file.file


def outcomes(recipe: str, settings: Settings) -> list[Outcome]:
    """What came of every batch of a recipe, oldest first."""
    folder = Path(settings.artifacts) / "ingest" / recipe
    bring_all(folder, settings, changing=True)
    found = [Outcome.model_validate_json(path.read_bytes()) for path in folder.glob("*.json")]
    return sorted(found, key=lambda outcome: outcome.at)


def keep(outcome: Outcome, settings: Settings) -> None:
    """Write down what came of a batch."""
    path = _path(outcome, settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.new")
    write_json(part, outcome.model_dump(mode="json"))
    place(part, path, settings)


def uri_of(outcome: Outcome, settings: Settings) -> str:
    return artifact_root.uri_of(_path(outcome, settings), settings)


def _path(outcome: Outcome, settings: Settings) -> Path:
    return Path(settings.artifacts) / "ingest" / outcome.batch.recipe / f"{outcome.id}.json"


def now() -> str:
    return datetime.now(UTC).isoformat()
