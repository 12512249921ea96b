"""Who a process is before MLflow: the trainer, or the promoter whom nothing that trains can pass for."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.errors import Refused
from pipelines.settings import Settings

Identity = Literal["trainer", "promoter", "reviewer"]
# The steps that write what only the promoter may: the production model, its tags and aliases, the run's decision.
OF_PROMOTER = ("record_review", "promote", "reconcile")

# The numbers by which Airflow's FAB knows its users; infra/airflow_roles.py writes them.
AIRFLOW_IDS = "airflow-ids.json"


class Credentials(BaseModel):
    """A user of MLflow's basic-auth."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    username: str
    password: str


def identity_of(step: str) -> Identity:
    """Who runs a step."""
    return "promoter" if step in OF_PROMOTER else "trainer"


def file_of(identity: Identity, folder: Path) -> Path:
    """Where the credentials of an identity lie."""
    return folder / f"mlflow-{identity}.json"


def assume(identity: Identity, settings: Settings) -> None:
    """Be this identity before MLflow from now on; without SCRIPTORIUM_IDENTITIES, whoever the environment says.

    Raises Refused where its credentials are not on this machine, or lie open.
    """
    if settings.identities is None:
        return
    path = file_of(identity, settings.identities)
    try:
        found = Credentials.model_validate_json(path.read_bytes())
    except OSError as error:
        told = f"{path} cannot be read ({error.strerror}): nothing on this machine may be the {identity} before MLflow"
        cure = "run it where the file is (docs/identities.md), or make the file: infra/mlflow_identities.py"
        raise Refused(f"{told}; {cure}") from None
    except ValidationError as error:
        raise Refused(f"{path} is not username and password of the {identity}: {error}") from None
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise Refused(f"others can read {path}; chmod go= {path}, and give the {identity} a new password")
    os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"] = found.username, found.password


def airflow_users(names: Iterable[str], settings: Settings) -> list[dict[str, str]]:
    """People as Airflow's requests name them: by number under FAB, by name alone without."""
    path = settings.identities / AIRFLOW_IDS if settings.identities else None
    numbers: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path and path.exists() else {}
    return [{"id": numbers.get(name, name), "name": name} for name in names]
