"""What MLflow is told before it is imported: that it shall send nothing and draw nothing."""

from __future__ import annotations

import os

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def quiet() -> None:
    """Set it for this process and those that it starts."""
    os.environ.update(QUIET)
