"""The dossier: all evidence for one decision in one canonical JSON file, sealed by its sha256."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.artifact import FileEntry, Manifest, NotWhole, canonical, sha256_file, sha256_text, verify
from pipelines.artifact_root import path_of, uri_of
from pipelines.errors import Refused
from pipelines.mirror import here
from pipelines.settings import Settings
from pipelines.shared import brought, share
from pipelines.verdict import Verdict

DOSSIER = "dossier.json"
# Among the artifacts of a dossier: the frozen run that it is about.
RUN = "run"


class Part(BaseModel):
    """A frozen part of the evidence."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(Part):
    """An artifact: where it lies and what it holds."""

    uri: str
    digest: str


class Opponent(Part):
    """The champion that the candidate was compared with: its version and its artifact's digest."""

    version: str
    digest: str


class Model(Part):
    """The candidate's model: its artifact's digest, and every file of it."""

    uri: str
    digest: str
    files: dict[str, FileEntry]


class Dossier(Part):
    """Everything a decision rests on. It holds no time of day: the same evidence is the same dossier."""

    format: Literal[1] = 1
    name: str
    run_uri: str
    run_id: str
    mlflow_run: str
    mlflow_experiment: str
    requested_by: str
    recipe: dict[str, Any]
    recipe_sha256: str
    # Of the organisation's policy.toml. Left out where there is none, as in the dossiers before there were policies.
    policy_sha256: str = Field("", exclude_if=lambda found: not found)
    dataset: str
    dataset_md5: str
    code_revision: str
    lock_sha256: str
    base: Source
    model: Model
    artifacts: dict[str, Source]
    report: dict[str, Any]
    gates: tuple[Verdict, ...]
    champion: Opponent | None

    @property
    def sha256(self) -> str:
        """The seal: what a reviewer approves, and what promotion recomputes."""
        return sha256_text(self.text)

    @property
    def text(self) -> str:
        return canonical(self.model_dump(mode="json"))


def folder(settings: Settings) -> Path:
    """Where the dossiers are, on this machine."""
    return Path(settings.artifacts) / "dossiers"


def dossier_uri(sha256: str, settings: Settings) -> str:
    """Where the dossier with this seal lies. Raises Refused for what is no seal."""
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        raise Refused(f"{sha256!r} is not the sha256 of a dossier: 64 hexadecimal digits are expected")
    return uri_of(folder(settings) / sha256, settings)


def write(dossier: Dossier, settings: Settings) -> str:
    """Put a dossier in place at once; one that already stands there is left as it is."""
    uri = dossier_uri(dossier.sha256, settings)
    target = path_of(uri, settings)
    brought(target / DOSSIER, settings)
    if target.exists():
        read(uri, settings)
    else:
        _write(target, dossier.text)
    share(brought(target / DOSSIER, settings), settings)
    return uri


def _write(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=target.parent))
    try:
        write_synced(part / DOSSIER, text)
        part.rename(target)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)
        if not target.exists():
            raise


def read(uri: str, settings: Settings) -> Dossier:
    """Read a dossier whose bytes are those of its seal. Raises Refused when they are not, or when it lies elsewhere."""
    path = path_of(uri, settings)
    if uri_of(path, settings) != dossier_uri(path.name, settings):
        raise Refused(f"{uri} is not a dossier of {uri_of(folder(settings), settings)}")
    if not brought(path / DOSSIER, settings).is_file():
        raise Refused(f"there is no dossier {path.name[:12]} in {path.parent}; run check_gates again")
    if sha256_file(path / DOSSIER) != path.name:
        raise Refused(f"{path / DOSSIER} was changed after it was sealed: its sha256 is not {path.name}")
    try:
        return Dossier.model_validate_json((path / DOSSIER).read_bytes())
    except ValidationError as error:
        raise Refused(f"{path / DOSSIER} is whole, but no dossier that this version reads: {error}") from None


def check_belonging(dossier: Dossier, run_uri: str) -> None:
    """Refuse a dossier that is not about this run, byte for byte as it was frozen."""
    if dossier.artifacts.get(RUN) != Source(uri=run_uri, digest=whole(run_uri).digest):
        raise Refused(f"dossier {dossier.sha256[:12]} is of {dossier.run_uri}, not of {run_uri} as it was frozen")


def whole(uri: str) -> Manifest:
    """The manifest of a piece of evidence, every byte of it hashed anew. Raises Refused naming what differs."""
    try:
        return verify(here(uri))
    except NotWhole as error:
        raise Refused(f"the evidence is not whole: {error}") from None


def refuse_unless_passed(verdicts: list[Verdict]) -> None:
    """Raise Refused naming every gate that did not pass, with its value and what it had to be."""
    failed = [v for v in verdicts if not v.passed]
    if failed or not verdicts:
        told = [f"{v.metric} must be {v.condition} [{v.outcome}]: {v.message}" for v in failed]
        raise Refused(f"{len(failed)} of {len(verdicts)} gates did not pass; " + "; ".join(told))


def write_synced(path: Path, text: str) -> None:
    """Write a file and wait until it is on the disk."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
