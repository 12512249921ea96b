"""The trainings of a run in MLflow: a nested run for each, with its curve, its epochs and what the machine did."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.mirror import file_of, manifest_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

PARENT, STEP = "mlflow.parentRunId", "step_key"
# The artifacts that trainings made; they are called like their steps, but for what another name says more of.
TRAININGS = ("base", "adapted", "teacher", "tuned", "control")
TITLES = {"control": "finetune without pretraining"}
BATCH = 1000  # MLflow's limit


@dataclass(frozen=True)
class Tracked:
    """Where a run stands in MLflow."""

    run: str
    experiment: str


def record_trainings(client: MlflowClient, tracked: Tracked, artifacts: Mapping[str, str]) -> None:
    """Write each training of a run once: what MLflow holds whole is left as it is, and no weights are fetched."""
    filters = f"tags.`{PARENT}` = '{tracked.run}'"
    held = {run.data.tags.get(STEP): run for run in client.search_runs([tracked.experiment], filters)}
    for name in TRAININGS:
        if name in artifacts and file_of(artifacts[name], "curve.jsonl"):
            title = TITLES.get(name) or manifest_of(artifacts[name]).step
            _record(client, tracked, title, artifacts[name], held)


def _record(client: MlflowClient, tracked: Tracked, title: str, uri: str, held: Mapping[Any, Any]) -> None:
    manifest, timings = manifest_of(uri), json.loads(file_of(uri, "timings.json") or "{}")
    machine = timings.get("machine") or []
    tags = {PARENT: tracked.run, STEP: manifest.key}
    start = machine[0]["time"] if machine else None
    run = held.get(manifest.key) or client.create_run(
        tracked.experiment, start_time=start, tags=tags | {"step": manifest.step}, run_name=title
    )
    if run.info.status != "RUNNING":
        return
    points = [*_points(uri, run.info.start_time), *_machine(machine)]
    for first in range(0, len(points), BATCH):
        client.log_batch(run.info.run_id, metrics=points[first : first + BATCH])
    # Last: a run that is ended is one that was written whole.
    took = round(1000 * timings.get("training_seconds", 0))
    client.set_terminated(run.info.run_id, end_time=run.info.start_time + took)


def _points(uri: str, moment: int) -> Iterator[Metric]:
    """The curve by its steps, and what epochs measured by their number; all at the run's start, whenever written."""
    from mlflow.entities import Metric

    for line in (file_of(uri, "curve.jsonl") or b"").splitlines():
        row = json.loads(line)
        yield from (Metric(name, row[name], moment, row["step"]) for name in ("loss", "learning_rate", "tokens"))
    for row in json.loads(file_of(uri, "metrics.json") or "{}").get("epochs") or []:
        yield Metric("epoch/loss", row["loss"], moment, row["epoch"])
        for name, value in (row.get("validation") or {}).items():
            yield Metric(f"validation/{name}", value, moment, row["epoch"])


def _machine(rows: list[dict[str, Any]]) -> Iterator[Metric]:
    """What MLflow's own monitors measured, under the names by which its pages know system metrics."""
    from mlflow.entities import Metric

    for number, row in enumerate(rows):
        for name, value in row.items():
            if name != "time":
                yield Metric(f"system/{name}", value, row["time"], number)
