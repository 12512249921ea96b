"""Where forgotten rows still lie: nothing of the past is deleted, and that is said aloud."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from pipelines import mirror, quarantine
from pipelines.artifact_root import uri_of
from pipelines.delivery import landing
from pipelines.dvc_objects import open_objects
from pipelines.kept_texts import UNUSED_DAYS, kept_in
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
    said += [f"the copy that trainings read: {uri}" for uri in _materialised(versions, settings)]
    if landing(settings).is_dir():
        said.append(f"files as they were delivered, if they held them: {landing(settings)}")
    if quarantine.batches(settings):
        kept = uri_of(quarantine.folder(settings), settings)
        said.append(f"rows that were set aside, if they are among them: {kept}")
    if kept_in(settings).is_dir():
        kept = f"kept until {UNUSED_DAYS} days after their last use: {kept_in(settings)}"
        said.append(f"translations of training rows, if any is of them, {kept}")
    return tuple(said)


def _materialised(versions: Collection[str], settings: Settings) -> list[str]:
    """The artifacts of the dataset step that hold one of these versions, on this machine or in the store."""
    found = mirror.manifests(Path(settings.artifacts) / "dataset", settings)
    return [uri for uri, manifest in found.items() if manifest.made_from.get("dataset_md5") in versions]
