"""A run: the recipe, data version, code and requester that one training is about, frozen at its start."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pipelines import mirror
from pipelines.artifact import NotWhole, publish, seal, sha256_file, sha256_text, verify, write_json
from pipelines.artifact_root import uri_of
from pipelines.errors import Refused
from pipelines.locks import lock
from pipelines.recipe import Recipe
from pipelines.settings import ROOT, Settings

LOCK_FILE = ROOT / "requirements.lock"


class Run(BaseModel):
    """What is decided before the first step and never asked for again."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    run_id: str
    recipe: Recipe
    dataset_md5: str
    code_revision: str
    lock_sha256: str
    requested_by: str
    refresh: bool = False


def new_run(recipe: Recipe, run_id: str, dataset_md5: str, requested_by: str, *, refresh: bool = False) -> Run:
    """Decide a run. `refresh` makes every step anew, even where a whole output exists."""
    if not re.fullmatch(r"(?=.*\w)[\w.:+-]{1,200}", run_id, re.ASCII):
        raise Refused(
            f"run id {run_id!r} is not made of 1 to 200 letters, digits and _ - . : +, with a letter or digit"
        )
    return Run(
        run_id=run_id,
        recipe=recipe,
        dataset_md5=dataset_md5,
        code_revision=code_revision(),
        lock_sha256=sha256_file(LOCK_FILE),
        requested_by=requested_by,
        refresh=refresh,
    )


def id_now(purpose: str) -> str:
    """An id for a run that begins now, and that no other process of this machine gives."""
    return f"{purpose}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}"


def freeze(run: Run, settings: Settings) -> str:
    """Write the run's folder and return its URI; the same run frozen twice must be the same."""
    name = sha256_text(str(place_of(run, settings)))
    with lock(settings.locks / f"freeze-{name}", f"another process freezes {run.run_id}"):
        return _frozen(run, settings, settings.work / "runs" / name)


def _frozen(run: Run, settings: Settings, folder: Path) -> str:
    target = place_of(run, settings)
    uri = uri_of(target, settings)
    if target.exists() or mirror.is_there(target, settings):
        if read_run(uri) != run:
            raise Refused(f"run {run.run_id} was frozen with other settings in {uri}; start a new run")
        return mirror.send(target, settings)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_json(folder / "run.json", run.model_dump(mode="json"))
    seal(folder, "freeze", {"run": run.run_id}, {})
    publish(folder, target)
    return mirror.send(target, settings)


def place_of(run: Run, settings: Settings) -> Path:
    """Where a run is frozen, on this machine."""
    return runs(settings) / run.recipe.name / run.run_id


def runs(settings: Settings) -> Path:
    """Where all runs are frozen, by recipe, on this machine."""
    return Path(settings.artifacts) / "runs"


def read_run(uri: str) -> Run:
    """The run frozen at `uri`. Raises Refused unless every byte of it is as it was frozen."""
    try:
        folder = mirror.here(uri)
        verify(folder)
    except NotWhole as error:
        raise Refused(f"the run is not as it was frozen: {error}; start a new run") from None
    return Run.model_validate_json((folder / "run.json").read_bytes(), strict=False)


def code_revision() -> str:
    """The git commit of the code, with "+changed" when the working tree differs; "unknown" outside git."""
    try:
        commit = _git("rev-parse", "HEAD")
        return commit + ("+changed" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
