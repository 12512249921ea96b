"""Where forgotten rows still lie: nothing of the past is deleted, and that is said aloud."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from pipelines.artifact import read_manifest
from pipelines.delivery import landing
from pipelines.dvc_objects import open_objects
from pipelines.errors import ScriptoriumError
from pipelines.row_search import Match
from pipelines.settings import Settings


def remains(versions: Collection[str], matches: Mapping[str, Sequence[Match]], settings: Settings) -> tuple[str, ...]:
    """The places that keep the rows, in words: objects of the DVC remote, copies for trainings, what was delivered."""
    said = []
    if versions:
        objects = ", ".join(sorted(open_objects(settings).path(md5) for md5 in matches))
        said.append(
            f"the DVC remote, which keeps older versions ({len(versions)} hold them), so that what models were made of "
            f"can be proved: {objects}"
        )
    said += [f"the copy that trainings read: {folder}" for folder in _materialised(versions, settings)]
    if landing(settings).is_dir():
        said.append(f"files as they were delivered, if they held them: {landing(settings)}")
    kept = Path(settings.artifacts) / "quarantine"
    if kept.is_dir():
        said.append(f"rows that were set aside, if they are among them: {kept}")
    return tuple(said)


def _materialised(versions: Collection[str], settings: Settings) -> list[Path]:
    """The artifacts of the dataset step that hold one of these versions."""
    return [folder for folder in sorted((Path(settings.artifacts) / "dataset").glob("*"))
            if _version_in(folder) in versions]  # fmt: skip


def _version_in(folder: Path) -> str | None:
    try:
        return read_manifest(str(folder)).made_from.get("dataset_md5")
    except (ScriptoriumError, ValidationError):
        return None
