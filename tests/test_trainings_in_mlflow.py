"""Each training of a run is a run of its own in MLflow, nested, with its curve and what the machine did, once."""

import json

import pytest

from pipelines.artifact import read_json
from pipelines.mirror import here, manifest_of
from pipelines.run import read_run
from pipelines.tracked_trainings import record_trainings
from pipelines.tracking import connect, record_run
from tests.evidence import finished_run
from tests.promotions import write_recipe

pytestmark = pytest.mark.service

START = 1_790_000_000_000
CURVE = [{"step": n, "tokens": n * 10, "learning_rate": 0.001, "loss": 3 / n} for n in (1, 2, 3)]
EPOCHS = [{"epoch": n, "loss": 2 / n, "validation": {"accuracy": n / 4}} for n in (1, 2)]
MACHINE = [{"time": START + 10_000 * n, "cpu_utilization_percentage": 50.0 + n} for n in (0, 1)]
FILES = {
    "model/config.json": "{}",
    "model/model.safetensors": "weights",
    "curve.jsonl": "".join(json.dumps(row) + "\n" for row in CURVE),
    "metrics.json": json.dumps({"epochs": EPOCHS}),
    "timings.json": json.dumps({"training_seconds": 12.5, "machine": MACHINE}),
}


@pytest.fixture
def recorded(mlflow_settings, product):
    """A client, what was recorded of a run, and the artifacts it rests on."""
    write_recipe(mlflow_settings, product)
    run_uri, report = finished_run(mlflow_settings, "r1", model=FILES, recipe={"name": product})
    artifacts = {"report": report, **manifest_of(report).parents}
    told = read_json(here(report) / "report.json")
    tracked = record_run(run_uri, read_run(run_uri), artifacts, told, mlflow_settings)
    return connect(mlflow_settings), tracked, artifacts


def nested(client, tracked):
    runs = client.search_runs([tracked.experiment])
    return [run for run in runs if run.data.tags.get("mlflow.parentRunId") == tracked.run]


def test_a_training_is_nested_in_its_run_with_curve_epochs_and_machine(recorded):
    client, tracked, _ = recorded
    (run,) = nested(client, tracked)
    assert (run.info.run_name, run.info.status) == ("finetune", "FINISHED")
    assert (run.info.start_time, run.info.end_time) == (START, START + 12_500)
    history = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
    assert [(point.step, point.value) for point in history["loss"]] == [(1, 3.0), (2, 1.5), (3, 1.0)]
    assert [(point.step, point.value) for point in history["validation/accuracy"]] == [(1, 0.25), (2, 0.5)]
    machine = history["system/cpu_utilization_percentage"]
    assert [(point.timestamp, point.value) for point in machine] == [(START, 50.0), (START + 10_000, 51.0)]


def test_what_was_written_half_is_written_whole_and_nothing_twice(recorded, monkeypatch):
    client, tracked, artifacts = recorded
    record_trainings(client, tracked, artifacts)
    assert len(nested(client, tracked)) == 1
    client.delete_run(nested(client, tracked)[0].info.run_id)
    with monkeypatch.context() as patch:
        patch.setattr(client, "set_terminated", lambda *_, **__: (_ for _ in ()).throw(ConnectionError))
        with pytest.raises(ConnectionError):
            record_trainings(client, tracked, artifacts)
    record_trainings(client, tracked, artifacts)
    (run,) = nested(client, tracked)
    assert run.info.status == "FINISHED"
    assert [point.step for point in client.get_metric_history(run.info.run_id, "loss")] == [1, 2, 3]
