"""A search in MLflow: one run for the study, and in it one for each trial."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

from pipelines.errors import TryAgain
from pipelines.tracked_trainings import PARENT, Tracked
from pipelines.tracking import connect, experiment_id, run_page

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from pipelines.run import Run
    from pipelines.settings import Settings

STUDY, TRIAL = "search", "search_trial"


def record_where_possible(found: dict[str, Any], run: Run, settings: Settings) -> str | None:
    """The address of the study's page in MLflow; None, said aloud, where MLflow does not answer."""
    try:
        return run_page(record_search(found, run, settings), settings)
    except TryAgain as error:
        told = "the study is whole without it, and the same command writes it there later"
        print(f"the search is not in MLflow: {error}; {told}", file=sys.stderr, flush=True)
        return None


def record_search(found: dict[str, Any], run: Run, settings: Settings) -> Tracked:
    """Write a study to MLflow, each trial once: what it holds already is left as it is.

    Raises TryAgain when MLflow does not answer.
    """
    client = connect(settings)
    experiment = experiment_id(client, run.recipe.name)
    parent = _run_of(client, experiment, {STUDY: found["study"]}, f"search {found['study'][:8]}")
    for trial in found["trials"]:
        if trial["state"] in {"whole", "ended early", "given up"}:
            _record_trial(client, experiment, parent, trial, found)
    if found["best"]:
        client.log_metric(parent, f"best_{found['metric']}", found["best"]["value"])
        client.set_tag(parent, "best_trial", str(found["best"]["number"]))
    for key, share in found["importance"].items():
        client.log_metric(parent, f"importance/{key}", share)
    client.log_artifact(parent, found["page"])
    client.set_tag(parent, "dataset_md5", run.dataset_md5)
    client.set_terminated(parent)
    return Tracked(parent, experiment)


def _record_trial(
    client: MlflowClient, experiment: str, parent: str, trial: dict[str, Any], found: dict[str, Any]
) -> None:
    from mlflow.entities import Metric, Param

    name = f"trial {trial['number']}"
    held = _run_of(client, experiment, {STUDY: found["study"], TRIAL: str(trial["number"]), PARENT: parent}, name)
    run = client.get_run(held)
    if run.info.status != "RUNNING":
        return
    # The run's own start as the time of every point makes writing them twice the same as once.
    moment = run.info.start_time
    epochs = enumerate(trial["epochs"], 1)
    points = [Metric(f"validation/{found['metric']}", v, moment, n) for n, v in epochs if math.isfinite(v)]
    if trial["value"] is not None:
        points.append(Metric(found["metric"], trial["value"], moment, 0))
    client.log_batch(held, metrics=points, params=[Param(key, str(v)) for key, v in trial["settings"].items()])
    client.set_tag(held, "state", trial["state"])
    if trial["why"]:
        client.set_tag(held, "why", trial["why"][:500])
    # Last: a run that is ended is one that was written whole.
    client.set_terminated(held, "FINISHED" if trial["value"] is not None else "KILLED")


def _run_of(client: MlflowClient, experiment: str, tags: dict[str, str], name: str) -> str:
    """The MLflow run with these tags, made when there is none."""
    wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    found = client.search_runs([experiment], wanted, order_by=["attributes.start_time ASC"], max_results=1000)
    exact = [run for run in found if TRIAL in tags or TRIAL not in run.data.tags]
    return str(exact[0].info.run_id if exact else client.create_run(experiment, tags=tags, run_name=name).info.run_id)
