"""A new version of the data, announced: the asset event on which Airflow starts the trainings that wait for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.airflow_api import Airflow
from pipelines.artifact_root import path_of
from pipelines.batch import Outcome, keep, outcomes
from pipelines.errors import ScriptoriumError
from pipelines.settings import Settings, read_settings
from pipelines.shared import brought
from pipelines.version_history import Change

ASSET = "dataset"


def facts(md5: str | None, batch: str, recipe: str, changes: Mapping[str, Change]) -> dict[str, Any]:
    """What the event says of a version: md5, the batch it came by, rows that came, and what changed in which file."""
    rows = sum(change.added + change.replaced for change in changes.values())
    changed = {name: change.model_dump() for name, change in changes.items()}
    return {"md5": md5, "batch": batch, "recipe": recipe, "rows": rows, "changes": changed}


def ingested(outcome: Outcome) -> dict[str, Any]:
    """The facts of the version that an ingest made."""
    return facts(outcome.md5, outcome.id, outcome.batch.recipe, outcome.changes)


def announced(uri: str) -> dict[str, Any] | None:
    """What the event of an outcome says, which from now on counts as announced; None when no row was new.

    So do those before it that nobody could announce: who trains now has their rows too.
    """
    settings = read_settings()
    outcome = Outcome.model_validate_json(brought(path_of(uri, settings), settings).read_bytes())
    if not outcome.changes:
        return None
    known = outcomes(outcome.batch.recipe, settings)
    for one in known[: [one.id for one in known].index(outcome.id) + 1]:
        if one.changes and not one.announced:
            keep(one.model_copy(update={"announced": True}), settings)
    return ingested(outcome)


def announce(found: Mapping[str, Any], settings: Settings) -> bool:
    """Tell Airflow through its API; say so when it cannot be told, for the version stands without it."""
    if not settings.passwords.exists():
        print("not announced: there is no Airflow here (`scriptorium up` starts one)", flush=True)
        return False
    try:
        Airflow(settings, "engineer").asset_event(ASSET, dict(found))
    except ScriptoriumError as error:
        print(f"not announced: {error}; start trainings that wait for new data by hand", flush=True)
        return False
    return True
