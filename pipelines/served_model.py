"""A model as an MLflow pyfunc: from code, with its manifest, without pickle. An edge."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.dossier import Dossier
from pipelines.settings import ROOT, Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

SERVED_BY = ("accelerate", "mlflow", "numpy", "pandas", "safetensors", "tokenizers", "torch", "transformers")


def log_model(client: MlflowClient, dossier: Dossier, artifact: Path, experiment: str, settings: Settings) -> str:
    """Save the model with its code and manifest as a pyfunc, and upload it; returns its id there."""
    from mlflow.entities import LoggedModelStatus

    settings.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="model-", dir=settings.work) as folder:
        _save_pyfunc(Path(folder) / "model", artifact, dossier)
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
    return str(logged.model_id)


def _save_pyfunc(target: Path, artifact: Path, dossier: Dossier) -> None:
    """Models-from-code: no pickle, the requirements named, and models/ beside it so that it loads without this tree."""
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    from models.tasks import TASKS

    task = TASKS[dossier.recipe["task"]]
    with warnings.catch_warnings():
        # It would rather infer the columns from an example than be told them.
        warnings.filterwarnings("ignore", message=".*input example was not provided", category=UserWarning)
        mlflow.pyfunc.save_model(
            target,
            python_model=str(ROOT / "models" / "serving.py"),
            code_paths=[str(ROOT / "models")],
            artifacts={"model": str(artifact / "model"), "manifest": str(artifact / "manifest.json")},
            model_config={"task": task.name},
            signature=ModelSignature(inputs=Schema([ColSpec("string", text) for text in task.texts])),
            pip_requirements=requirements(),
        )


def requirements() -> list[str]:
    """What serving needs, with the versions that are installed here."""
    from importlib.metadata import version

    return [f"{package}=={version(package)}" for package in SERVED_BY]
