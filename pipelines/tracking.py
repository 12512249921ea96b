"""MLflow tracking: one run per run, with its recipe, data, scores and report, and in it one per training. An edge."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from pipelines.artifact import sha256_text
from pipelines.behaviour_recipe import PASSED
from pipelines.errors import TryAgain
from pipelines.gates import PLACES, metric_value
from pipelines.mirror import here, manifest_of
from pipelines.quiet import quiet
from pipelines.robustness_recipe import FLIPS, LOSS
from pipelines.run import Run
from pipelines.settings import Settings
from pipelines.speed_recipe import SPEED
from pipelines.step_key import recipe_values
from pipelines.tracked_trainings import Tracked, record_trainings

if TYPE_CHECKING:
    import ssl

    from mlflow import MlflowClient
    from mlflow.entities import Metric

DATASET = "data"
# The artifact that holds each part of what people look at: its input name, and the file.
FILES = (("report", "report.html"), ("report", "report.json"), ("validation", "validation.html"))


def connect(settings: Settings) -> MlflowClient:
    """A client of the MLflow that the settings name. Raises TryAgain when it does not answer."""
    import httpx

    try:
        httpx.get(f"{settings.mlflow_url}/health", timeout=20, verify=_certificates()).raise_for_status()
    except httpx.HTTPStatusError as error:
        told = f"MLflow at {settings.mlflow_url} answers {error.response.status_code}"
        raise TryAgain(f"{told}; see {settings.home}/logs/mlflow.log") from None
    except httpx.HTTPError as error:
        raise TryAgain(
            f"MLflow does not answer at {settings.mlflow_url} ({type(error).__name__}); "
            "start it with `scriptorium up`, or set SCRIPTORIUM_MLFLOW_URL to the one to use"
        ) from None
    quiet()
    # Its own seven tries of a call take four minutes without a word; the task is tried again as a whole.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    import mlflow

    # For pyfunc.load_model, which knows no other way to be told.
    mlflow.set_tracking_uri(settings.mlflow_url)
    return mlflow.MlflowClient(tracking_uri=settings.mlflow_url, registry_uri=settings.mlflow_url)


@cache
def _certificates() -> ssl.SSLContext:
    """Read once: httpx would read them again for every question, whatever the address, which takes 23 ms."""
    import httpx

    return httpx.create_ssl_context()


def record_run(
    run_uri: str, run: Run, artifacts: Mapping[str, str], report: Mapping[str, Any], settings: Settings
) -> Tracked:
    """Write everything about a run to MLflow and say where; the same run with the same report only once.

    `artifacts` are URIs by input name; "report" is needed, "validation" gives its page.
    """
    client = connect(settings)
    digest = manifest_of(artifacts["report"]).digest
    tracked, written = _find_or_create(client, run_uri, run)
    if written == digest:
        return tracked
    _log_parameters(client, tracked.run, run)
    _log_dataset(client, tracked.run, run)
    _log_numbers(client, tracked.run, report)
    record_trainings(client, tracked, artifacts)
    for name, file in FILES:
        if name in artifacts and (path := here(artifacts[name]) / file).is_file():
            client.log_artifact(tracked.run, str(path))
    # Last: its presence means that everything before it was written.
    client.set_tag(tracked.run, "report", digest)
    client.set_terminated(tracked.run)
    return tracked


def run_page(tracked: Tracked, settings: Settings) -> str:
    """The address of a run's page."""
    return f"{settings.mlflow_url}/#/experiments/{tracked.experiment}/runs/{tracked.run}"


def experiment_id(client: MlflowClient, name: str) -> str:
    """The id of an experiment, made when there is none; two processes may ask at once."""
    from mlflow.exceptions import MlflowException

    if found := client.get_experiment_by_name(name):
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(name))
    except MlflowException:
        if found := client.get_experiment_by_name(name):
            return str(found.experiment_id)
        raise


def _find_or_create(client: MlflowClient, run_uri: str, run: Run) -> tuple[Tracked, str | None]:
    """The MLflow run of a run, and the digest of the report that it holds whole."""
    experiment = experiment_id(client, run.recipe.name)
    # A hash, because a path may hold a quote and MLflow's filters know no escape for it.
    key = sha256_text(run_uri)
    tags = {"run_key": key, "run_uri": run_uri, "requested_by": run.requested_by, "code_revision": run.code_revision}
    found = client.search_runs([experiment], f"tags.run_key = '{key}'", max_results=1)
    held = found[0] if found else client.create_run(experiment, tags=tags, run_name=run.run_id)
    return Tracked(str(held.info.run_id), experiment), held.data.tags.get("report")


def _log_parameters(client: MlflowClient, run_id: str, run: Run) -> None:
    from mlflow.entities import Param

    values = recipe_values(run.recipe, type(run.recipe).model_fields)
    named = {name.removeprefix("recipe."): value.strip('"') for name, value in values.items()}
    named |= {"dataset_md5": run.dataset_md5, "lock_sha256": run.lock_sha256}
    rows = [Param(name, value[:6000]) for name, value in sorted(named.items())]
    for start in range(0, len(rows), 100):
        client.log_batch(run_id, params=rows[start : start + 100])


def _log_dataset(client: MlflowClient, run_id: str, run: Run) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = {"path": f"{DATASET}.dvc", "md5": run.dataset_md5, "rev": run.code_revision}
    dataset = Dataset(DATASET, run.dataset_md5, source_type="dvc", source=json.dumps(source))
    client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])


def _log_numbers(client: MlflowClient, run_id: str, report: Mapping[str, Any]) -> None:
    # The run's own start as the time of every point makes writing them twice the same as once.
    moment = client.get_run(run_id).info.start_time
    points = list(_points(report, moment))
    for start in range(0, len(points), 1000):
        client.log_batch(run_id, metrics=points[start : start + 1000])


def _points(report: Mapping[str, Any], moment: int) -> Iterator[Metric]:
    from mlflow.entities import Metric

    changes = [f"bits_per_byte_{corpus}_change" for corpus in report.get("bits_per_byte_change") or {}]
    steady = [prefix + kind for kind in report.get("robustness") or {} for prefix in (FLIPS, LOSS)]
    behaved = [PASSED + kind for kind in report.get("behaviour") or {}]
    costs = [*PLACES, *(SPEED + name for name in report.get("speed") or {})]
    for name in [*report["metrics"], *changes, *steady, *behaved, *costs]:
        if (value := metric_value(name, report)) is not None:
            yield Metric(name, value, moment, 0)
    for baseline, scores in (report.get("baselines") or {}).items():
        for name, value in scores["metrics"].items():
            if value is not None:
                yield Metric(f"baseline/{baseline}/{name}", value, moment, 0)
    for stage, rows in (report.get("curves") or {}).items():
        yield from (
            Metric(f"{stage}/{name}", value, moment, int(row["step"]))
            for row in rows
            for name, value in row.items()
            if name != "step" and isinstance(value, int | float) and not isinstance(value, bool)
        )
