"""Where things are on this machine: one folder for all that is written, two ports, one artifact root."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pipelines import s3
from pipelines.errors import ScriptoriumError, near_miss
from pipelines.safe_names import objection

ROOT = Path(__file__).resolve().parent.parent

VARIABLES = {
    "SCRIPTORIUM_HOME": "folder for everything the project writes (default: .scriptorium)",
    "SCRIPTORIUM_DATA": "the versioned data folder (default: data)",
    "SCRIPTORIUM_ARTIFACTS": "artifact root: a folder, or s3://bucket/prefix (default: HOME/artifacts)",
    "SCRIPTORIUM_RECIPES": "folder of recipes (default: pipelines/recipes)",
    "SCRIPTORIUM_POLICY": "a policy.toml with gates for every recipe, which none can loosen (default: none)",
    "SCRIPTORIUM_IDENTITIES": "folder with the passwords of MLflow's users, where it has any (default: none)",
    "SCRIPTORIUM_PROMOTER_QUEUE": "Airflow queue of the steps that need the promoter's (default: that of all others)",
    "SCRIPTORIUM_MODELS": "folders searched first for base models, separated by ':'",
    "SCRIPTORIUM_AIRFLOW_PORT": "port of Airflow's web pages and API on 127.0.0.1 (default: 8080)",
    "SCRIPTORIUM_MLFLOW_PORT": "port of MLflow on 127.0.0.1 (default: 5000)",
    "SCRIPTORIUM_AIRFLOW_URL": "an Airflow run by somebody else (default: the one `scriptorium up` starts)",
    "SCRIPTORIUM_MLFLOW_URL": "an MLflow run by somebody else (default: the one `scriptorium up` starts)",
    "SCRIPTORIUM_THREADS": "CPU threads of a training (default: all cores)",
    "SCRIPTORIUM_TASK_LOST_AFTER": "seconds without a sign of life until Airflow tries a task again (default: 120)",
    "SCRIPTORIUM_CHECKPOINT_EVERY": "seconds between the checkpoints of a training (default: 45)",
    "SCRIPTORIUM_CURVES": "files of a training's curves beside MLflow: tensorboard, wandb or both, with a comma",
    "SCRIPTORIUM_CHECKPOINT_STEPS": "steps after which a training saves a checkpoint in any case (default: 0, none)",
}

# A running task gives a sign of life every 5 s or so; with less patience, a busy moment would start a second try.
LEAST_PATIENCE_S = 30

CURVES = ("tensorboard", "wandb")


@dataclass(frozen=True)
class Settings:
    """The resolved environment of one process; made by `read_settings`."""

    home: Path
    data: Path
    artifacts: str
    recipes: Path
    policy: Path | None
    models: tuple[Path, ...]
    airflow_port: int
    mlflow_port: int
    airflow_url: str
    mlflow_url: str
    threads: int
    task_lost_after: int
    checkpoint_every: int
    checkpoint_steps: int
    curves: tuple[str, ...] = ()  # kinds of files that a training's curves are written to, see CURVES
    identities: Path | None = None
    promoter_queue: str | None = None
    store: str | None = None  # the artifact root where that is in S3; `artifacts` then holds this machine's copies

    @property
    def locks(self) -> Path:
        return self.home / "locks"

    @property
    def work(self) -> Path:
        """Half-done outputs and checkpoints, by step and key; never read by anything but their successor."""
        return self.home / "work"

    @property
    def passwords(self) -> Path:
        """Airflow's SimpleAuthManager file: user to password, readable by its owner only."""
        return self.home / "secrets" / "airflow-passwords.json"


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the `SCRIPTORIUM_*` variables; an unknown one is refused, for it would silently do nothing."""
    for name in environ:
        if name.startswith("SCRIPTORIUM_") and name not in VARIABLES:
            raise ScriptoriumError(f"environment variable {name} is unknown; {near_miss(name, VARIABLES)}")
    home, store = home_folder(environ), _store(environ)
    airflow_port = _port(environ, "SCRIPTORIUM_AIRFLOW_PORT", 8080)
    mlflow_port = _port(environ, "SCRIPTORIUM_MLFLOW_PORT", 5000)
    return Settings(
        home=home,
        data=_folder(environ, "SCRIPTORIUM_DATA", ROOT / "data"),
        artifacts=str(_mirror(store, home) if store else _folder(environ, "SCRIPTORIUM_ARTIFACTS", home / "artifacts")),
        recipes=_folder(environ, "SCRIPTORIUM_RECIPES", ROOT / "pipelines" / "recipes"),
        policy=_folder(environ, "SCRIPTORIUM_POLICY", home) if environ.get("SCRIPTORIUM_POLICY") else None,
        identities=_folder(environ, "SCRIPTORIUM_IDENTITIES", home) if environ.get("SCRIPTORIUM_IDENTITIES") else None,
        promoter_queue=environ.get("SCRIPTORIUM_PROMOTER_QUEUE") or None,
        models=tuple(Path(p) for p in environ.get("SCRIPTORIUM_MODELS", "").split(":") if p),
        airflow_port=airflow_port,
        mlflow_port=mlflow_port,
        airflow_url=environ.get("SCRIPTORIUM_AIRFLOW_URL") or f"http://127.0.0.1:{airflow_port}",
        mlflow_url=environ.get("SCRIPTORIUM_MLFLOW_URL") or f"http://127.0.0.1:{mlflow_port}",
        threads=_threads(environ),
        task_lost_after=_seconds(environ, "SCRIPTORIUM_TASK_LOST_AFTER", 120, LEAST_PATIENCE_S),
        checkpoint_every=_seconds(environ, "SCRIPTORIUM_CHECKPOINT_EVERY", 45, 1),
        curves=_curves(environ),
        checkpoint_steps=_steps(environ),
        store=store,
    )


def home_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder for everything that the project writes, whatever else the environment says."""
    return _folder(environ, "SCRIPTORIUM_HOME", ROOT / ".scriptorium")


def as_environment(settings: Settings) -> dict[str, str]:
    """The variables from which a process elsewhere, in any folder, reads the same settings."""
    values = {
        "SCRIPTORIUM_HOME": settings.home,
        "SCRIPTORIUM_DATA": settings.data,
        "SCRIPTORIUM_ARTIFACTS": settings.store or settings.artifacts,
        "SCRIPTORIUM_RECIPES": settings.recipes,
        "SCRIPTORIUM_POLICY": settings.policy or "",
        "SCRIPTORIUM_IDENTITIES": settings.identities or "",
        "SCRIPTORIUM_PROMOTER_QUEUE": settings.promoter_queue or "",
        "SCRIPTORIUM_MODELS": ":".join(str(path.resolve()) for path in settings.models),
        "SCRIPTORIUM_AIRFLOW_PORT": settings.airflow_port,
        "SCRIPTORIUM_MLFLOW_PORT": settings.mlflow_port,
        "SCRIPTORIUM_AIRFLOW_URL": settings.airflow_url,
        "SCRIPTORIUM_MLFLOW_URL": settings.mlflow_url,
        "SCRIPTORIUM_THREADS": settings.threads,
        "SCRIPTORIUM_TASK_LOST_AFTER": settings.task_lost_after,
        "SCRIPTORIUM_CHECKPOINT_EVERY": settings.checkpoint_every,
        "SCRIPTORIUM_CURVES": ",".join(settings.curves),
        "SCRIPTORIUM_CHECKPOINT_STEPS": settings.checkpoint_steps,
    }
    return {name: str(value) for name, value in values.items()}


def _store(environ: Mapping[str, str]) -> str | None:
    """The artifact root if it is in S3, in its one spelling."""
    root = environ.get("SCRIPTORIUM_ARTIFACTS") or ""
    if root.startswith("s3://"):
        bucket, key = s3.address(root)
        if key and (why := objection(key.rstrip("/"))):
            raise ScriptoriumError(f"SCRIPTORIUM_ARTIFACTS is no prefix that a folder can stand for: {why}")
        return f"s3://{bucket}/{key}".rstrip("/")
    if "://" in root:
        raise ScriptoriumError("SCRIPTORIUM_ARTIFACTS takes a folder, or s3://bucket/prefix")
    return None


def _mirror(store: str, home: Path) -> Path:
    """One for each root, so that what lay in another is never taken for what lies in this one."""
    return home / "mirror" / store.removeprefix("s3://")


def _folder(environ: Mapping[str, str], name: str, default: Path) -> Path:
    return Path(environ.get(name) or default).expanduser().resolve()


def _threads(environ: Mapping[str, str]) -> int:
    text = environ.get("SCRIPTORIUM_THREADS") or "0"
    if not text.isdigit():
        raise ScriptoriumError(f"SCRIPTORIUM_THREADS is {text!r}; it takes a number of threads, or 0 for all cores")
    return int(text) or len(os.sched_getaffinity(0))


def _seconds(environ: Mapping[str, str], name: str, default: int, least: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isdigit() or int(text) < least:
        raise ScriptoriumError(f"{name} is {text!r}; it takes a number of seconds, {least} or more")
    return int(text)


def _curves(environ: Mapping[str, str]) -> tuple[str, ...]:
    named = (name.strip() for name in (environ.get("SCRIPTORIUM_CURVES") or "").split(","))
    found = tuple(dict.fromkeys(name for name in named if name))
    for name in found:
        if name not in CURVES:
            raise ScriptoriumError(f"SCRIPTORIUM_CURVES names {name!r}; {near_miss(name, CURVES)}")
        if find_spec(name) is None:
            raise ScriptoriumError(f"SCRIPTORIUM_CURVES names {name}, which is not installed; run `make setup`")
    return found


def _steps(environ: Mapping[str, str]) -> int:
    text = environ.get("SCRIPTORIUM_CHECKPOINT_STEPS") or "0"
    if not text.isdigit():
        raise ScriptoriumError(f"SCRIPTORIUM_CHECKPOINT_STEPS is {text!r}; it takes a number of steps, or 0 for none")
    return int(text)


def _port(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isdigit() or not 1024 <= int(text) <= 65535:
        raise ScriptoriumError(f"{name} is {text!r}; it takes a port number from 1024 to 65535")
    return int(text)
