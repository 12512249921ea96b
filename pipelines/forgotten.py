"""The record of what was forgotten: a chain of who, what, why, and what had known it; never what the rows said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from operator import not_
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from pipelines import chain
from pipelines.artifact import write_json
from pipelines.chain import Link
from pipelines.errors import Refused
from pipelines.locks import lock
from pipelines.settings import Settings

BROKEN = "Nothing is forgotten until the record is restored from its backup"


class ForgottenRow(BaseModel):
    """A row: its id, the files of the data that held it, the sha256 of each content that it had.

    `said` is the sha256 of what it said, under whatever id; none where that was a phrase, and in records of before. A
    `near` one was taken along as a copy of another: what it is known by is its content, not its id.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str | None
    files: tuple[str, ...]
    sha256: tuple[str, ...]
    near: bool = False
    # What is not there is not written: the chain holds the hashes of records that lacked it.
    said: tuple[str, ...] = Field(default=(), exclude_if=not_)


class Forgotten(Link):
    """One act of forgetting. `version` is the first without the rows, `versions` are those that hold them.

    `runs` learned from them or from a model that did, `models` are the candidates that came of those (by dossier), and
    `retrain` the recipes whose champion was one. `gaps` are what could not be looked at.
    """

    rows: tuple[ForgottenRow, ...]
    by: str
    reason: str
    version: str
    versions: tuple[str, ...]
    runs: tuple[str, ...]
    models: tuple[str, ...]
    retrain: tuple[str, ...]
    gaps: tuple[str, ...]


def path_of(settings: Settings) -> Path:
    return Path(settings.artifacts) / "forgotten" / "record.jsonl"


@contextmanager
def forgetting(settings: Settings) -> Iterator[None]:
    """Be the only one that forgets; whoever adds to the record holds this."""
    with lock(path_of(settings).with_suffix(".lock"), "another process is forgetting rows"):
        yield


def read(settings: Settings) -> list[Forgotten]:
    """Every act, oldest first. Raises ScriptoriumError where the chain was edited."""
    entries = chain.read(path_of(settings), Forgotten, "record of forgetting")
    chain.check(path_of(settings), entries, BROKEN)
    return entries


def add(draft: Forgotten, settings: Settings) -> Forgotten:
    """Append an act, on disk before anything goes on; the caller is `forgetting`."""
    return chain.append(path_of(settings), read(settings), draft)


def acts_about(name: str | None, acts: Iterable[Forgotten]) -> list[Forgotten]:
    """The acts that forgot a row of this id, oldest first."""
    return [act for act in acts if any(row.id == name for row in act.rows)]


def refuse_version(md5: str, settings: Settings) -> None:
    """Raise Refused for a version of the data that holds rows which were forgotten since."""
    acts = read(settings)
    if held := [act for act in acts if md5 in act.versions]:
        raise Refused(
            f"version {md5} holds rows that were forgotten on {held[-1].at[:10]} ({held[-1].reason}), and does not "
            f"become current again; pin one made since, such as {acts[-1].version}"
        )


def decide(draft: Forgotten, settings: Settings) -> None:
    """Write down what is about to be forgotten, so that a kill from here on is made good by the next try."""
    write_json(_pending(settings), draft.model_dump(mode="json"))


def decided(settings: Settings) -> Forgotten | None:
    """What a killed process was about to forget."""
    path = _pending(settings)
    return Forgotten.model_validate_json(path.read_bytes()) if path.exists() else None


def done(settings: Settings) -> None:
    _pending(settings).unlink(missing_ok=True)


def _pending(settings: Settings) -> Path:
    return path_of(settings).with_name("pending.json")
