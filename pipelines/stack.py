"""The servers of this machine as infra/services.toml and infra/airflow.cfg describe them, with this home's values."""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from pipelines.artifact import canonical, sha256_text
from pipelines.loopback import past_proxies
from pipelines.settings import ROOT, Settings, as_environment
from pipelines.webhook import secret_file

INFRA = ROOT / "infra"
# Carried by every process of a home's servers and their tasks, so that none is left behind or taken for another's.
MARK = "_SCRIPTORIUM_SERVICES"
SECRETS = ("fernet_key", "jwt_secret", "secret_key")
PASSWORD_BYTES = 12


class Server(BaseModel):
    """One process to keep alive; with `makes`, one that runs to its end before those that come `after` it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    command: tuple[str, ...]
    after: str | None = None
    makes: str | None = None

    @property
    def part(self) -> Literal["mlflow", "airflow"]:
        return "mlflow" if self.name == "mlflow" else "airflow"


class Stack(BaseModel):
    """All that runs on this machine. `digest` tells whether running servers have today's settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    servers: tuple[Server, ...]
    environment: dict[str, str]
    users: dict[str, str]
    digest: str


def read_stack(settings: Settings) -> Stack:
    """Fill in infra/services.toml. A part that runs elsewhere (SCRIPTORIUM_..._URL) is left out."""
    file = INFRA / "services.toml"
    values = tomllib.loads(file.read_text(encoding="utf-8"))
    filled = _filled({k: v for k, v in values.items() if k != "users"}, places(settings))
    environment = filled["environment"] | as_environment(settings) | {MARK: str(settings.home)}
    servers = tuple(s for s in map(Server.model_validate, filled["servers"]) if s.part in _ours(settings))
    about = [environment, [s.command for s in servers], values["users"], _template()]
    return Stack(servers=servers, environment=environment, users=values["users"], digest=sha256_text(canonical(about)))


def places(settings: Settings) -> dict[str, str]:
    """What $names in infra/ stand for."""
    return {
        "root": str(ROOT),
        "home": str(settings.home),
        "airflow_port": str(settings.airflow_port),
        "mlflow_port": str(settings.mlflow_port),
        "mlflow_url": settings.mlflow_url,
        "passwords": str(settings.passwords),
        "task_lost_after": str(settings.task_lost_after),
    }


def ports(settings: Settings) -> dict[str, int]:
    """The ports that our servers will listen on, by the variable that changes them."""
    found = {
        "SCRIPTORIUM_AIRFLOW_PORT": ("airflow", settings.airflow_port),
        "SCRIPTORIUM_MLFLOW_PORT": ("mlflow", settings.mlflow_port),
    }
    return {variable: port for variable, (part, port) in found.items() if part in _ours(settings)}


def prepare(settings: Settings, stack: Stack) -> None:
    """Make the folders, the secrets (once) and Airflow's configuration; all of it for the owner's eyes only."""
    for folder in ("airflow", "mlflow/artifacts", "logs", "secrets"):
        (settings.home / folder).mkdir(parents=True, exist_ok=True)
    for folder in ("secrets", "airflow", "mlflow"):
        (settings.home / folder).chmod(0o700)
    keys = _secret_keys(settings.home / "secrets" / "keys.json")
    ensure_passwords(settings.passwords, stack.users)
    ensure_secret(secret_file(settings), secrets.token_urlsafe(32))
    # Beside the database whose secrets it opens, and in a file: what is in the environment, every server and task has.
    ensure_secret(settings.home / "mlflow" / "mlflow.env", f"MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY={_fernet_key()}")
    users = ",".join(f"{name}:{role}" for name, role in stack.users.items())
    # Airflow's configuration interpolates %; only paths can hold one.
    names = {k: v.replace("%", "%%") for k, v in {**places(settings), **keys, "users": users}.items()}
    write_private(settings.home / "airflow" / "airflow.cfg", Template(_template()).substitute(names))


def process_environment(stack: Stack, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of our servers: the user's, without settings of another Airflow or MLflow, and the stack's."""
    kept = {k: v for k, v in environ.items() if not k.startswith(("AIRFLOW_", "AIRFLOW__", "MLFLOW_", "SCRIPTORIUM_"))}
    beside = Path(sys.executable).parent
    path = {
        "PATH": os.pathsep.join([str(beside), kept.get("PATH", os.defpath)]),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), kept.get("PYTHONPATH")])),
    }
    return kept | path | past_proxies(environ) | stack.environment


def write_private(path: Path, text: str) -> None:
    """Write a file atomically that only its owner may read, from its first byte on."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)


def ensure_passwords(path: Path, users: Iterable[str]) -> dict[str, str]:
    """The users' passwords, from a file that its owner alone can read; one is made for each who has none."""
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    if all(name in known for name in users):
        return known
    made = {name: known.get(name) or secrets.token_urlsafe(PASSWORD_BYTES) for name in users}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, json.dumps(made, indent=2) + "\n")
    return made


def ensure_secret(path: Path, fresh: str) -> None:
    """Have a secret in a file that its owner alone can read: `fresh`, where there is none."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(path, fresh + "\n")


def _ours(settings: Settings) -> set[str]:
    here = {
        "airflow": (settings.airflow_url, settings.airflow_port),
        "mlflow": (settings.mlflow_url, settings.mlflow_port),
    }
    return {part for part, (url, port) in here.items() if url.rstrip("/") == f"http://127.0.0.1:{port}"}


def _template() -> str:
    return (INFRA / "airflow.cfg").read_text(encoding="utf-8")


def _filled(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return Template(value).substitute(names)
    if isinstance(value, dict):
        return {k: _filled(v, names) for k, v in value.items()}
    return [_filled(v, names) for v in value] if isinstance(value, list) else value


def _secret_keys(path: Path) -> dict[str, str]:
    keys: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    if missing := [name for name in SECRETS if name not in keys]:
        keys |= {name: _fernet_key() for name in missing}
        # HS512 wants 64 bytes, Fernet exactly 32.
        keys["jwt_secret"] = secrets.token_urlsafe(64)
        write_private(path, json.dumps(keys))
    return keys


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
