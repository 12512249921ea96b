"""A model as an MLflow pyfunc: from code, with its manifest, without pickle. An edge."""

from __future__ import annotations

import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.artifact import sha256_file
from pipelines.dossier import Dossier
from pipelines.errors import ScriptoriumError
from pipelines.model_card import CARD, model_card
from pipelines.settings import ROOT, Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.types import Schema

    from models.tasks.task import Task

SERVED_BY = ("accelerate", "mlflow", "numpy", "pandas", "safetensors", "tokenizers", "torch", "transformers")


def log_model(
    client: MlflowClient, dossier: Dossier, artifact: Path, experiment: str, settings: Settings
) -> tuple[str, dict[str, str]]:
    """Save the model with its code and manifest as a pyfunc, and upload it; returns its id there, and its files."""
    from mlflow.entities import LoggedModelStatus

    from models.tasks import TASKS

    settings.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="model-", dir=settings.work) as folder:
        _save_pyfunc(Path(folder) / "model", artifact, TASKS[dossier.recipe["task"]])
        # One of the files, so that it is hashed, proved and kept like any other.
        (Path(folder) / "model" / CARD).write_text(model_card(dossier), encoding="utf-8")
        files = hashes(Path(folder) / "model")
        logged = client.create_logged_model(
            experiment,
            name=dossier.name,
            # Only a candidate stands beside its run; promoted models lie where training may not write.
            source_run_id=dossier.mlflow_run if experiment == dossier.mlflow_experiment else None,
            tags={"dossier": dossier.sha256},
            model_type="pyfunc",
        )
        client.log_model_artifacts(logged.model_id, str(Path(folder) / "model"))
    client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    return str(logged.model_id), files


def load_pyfunc(folder: Path) -> Any:
    """The model saved in a folder. Raises ValueError when a file of it is not the one that its manifest names."""
    import mlflow.pyfunc

    return mlflow.pyfunc.load_model(str(folder))


def hashes(folder: Path) -> dict[str, str]:
    """The sha256 of every file below a folder, by its path there."""
    return {p.relative_to(folder).as_posix(): sha256_file(p) for p in sorted(folder.rglob("*")) if not p.is_dir()}


@contextmanager
def fetched(client: MlflowClient, name: str, version: str, settings: Settings) -> Iterator[Path]:
    """What MLflow hands out as a version, in a folder that lasts as long as the context.

    Raises ScriptoriumError when there is no such version, or MLflow cannot find its files.
    """
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    settings.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="served-", dir=settings.work) as folder:
        try:
            # By its place, since a download by name and version adds a file of its own to the model's.
            place = client.get_model_version_download_uri(name, version)
            found = download_artifacts(artifact_uri=place, dst_path=folder, tracking_uri=settings.mlflow_url)
        except MlflowException as error:
            raise ScriptoriumError(f"MLflow cannot hand out {name} version {version}: {error.message}") from None
        yield Path(found)


def _save_pyfunc(target: Path, artifact: Path, task: Task) -> None:
    """Models-from-code: no pickle, the requirements named, and models/ beside it so that it loads without this tree.

    As one archive: each file of a version is a request when it is registered, and another when it is loaded.
    """
    import mlflow.pyfunc
    from mlflow.models import ModelSignature

    kept = {"model": artifact / "model", "manifest": artifact / "manifest.json", "code": _code(target.parent)}
    with warnings.catch_warnings():
        # It would rather infer the columns from an example than be told them.
        warnings.filterwarnings("ignore", message=".*input example was not provided", category=UserWarning)
        mlflow.pyfunc.save_model(
            target,
            python_model=str(ROOT / "models" / "serving.py"),
            artifacts={name: str(path) for name, path in kept.items()},
            model_config={"task": task.name},
            signature=ModelSignature(inputs=_columns(task)),
            pip_requirements=requirements(),
        )


def _code(folder: Path) -> Path:
    """The package `models` in an archive that Python imports from; the same sources are the same bytes."""
    target = folder / "code.zip"
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted((ROOT / "models").rglob("*.py")):
            # With ZipInfo's own date, not that of the file here.
            entry = zipfile.ZipInfo(path.relative_to(ROOT).as_posix())
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return target


def _columns(task: Task) -> Schema:
    """What a row must hold to be answered, and may."""
    from mlflow.types import ColSpec, Schema
    from mlflow.types.schema import AnyType, Array, DataType, Object, Property

    text = DataType.string
    # Whole numbers among which one is missing are floats in a data frame: MLflow takes either for no other kind.
    kinds = {
        "timestamp": AnyType(),
        "messages": Array(Object([Property("role", text), Property("content", text)])),
        "context": Array(text),
        "attributes": Array(text),
    }
    named = {name: name in task.inputs for name in task.columns}
    return Schema([ColSpec(kinds.get(name, text), name, required) for name, required in named.items()])


def requirements() -> list[str]:
    """What serving needs, with the versions that are installed here."""
    from importlib.metadata import version

    return [f"{package}=={version(package)}" for package in SERVED_BY]
