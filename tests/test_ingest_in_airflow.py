"""On a real Airflow, what is dropped with its marker comes in, and the training that waits for new data begins."""

import time

import pytest

from pipelines import services as stack
from pipelines.airflow_api import Airflow
from pipelines.announce import announce, ingested
from pipelines.ingest import ingest
from pipelines.processes import of_home
from pipelines.recipe_file import load_recipe
from pipelines.release import Decision, release
from pipelines.settings import read_settings
from pipelines.version_history import current
from tests.dropped_files import TRAIN, drop, drop_all, example, recipe_in
from tests.versioned_data import read, use

MAIL = "Write to jane.doe@gmail.com for a copy of the minutes."

pytestmark = [pytest.mark.service, pytest.mark.timeout(1200)]


@pytest.fixture
def airflow(tmp_path, monkeypatch, free_port):
    use(monkeypatch, tmp_path)
    extra = f'[ingest]\nsource = "{tmp_path / "in"}"\nwatch = true\n[retrain]\non_new_data = true\n'
    extra += "[validation]\npersonal_data = 0.03\n"  # one row of 21 is too many, of 41 it is not
    recipe_in(tmp_path / "recipes", extra)
    for name, value in {
        "RECIPES": tmp_path / "recipes",
        "AIRFLOW_PORT": free_port(),
        "MLFLOW_PORT": free_port(),
    }.items():
        monkeypatch.setenv(f"SCRIPTORIUM_{name}", str(value))
    settings = read_settings()
    try:
        stack.up(settings)
        yield Airflow(settings, "engineer")
    finally:
        stack.down(settings)
    assert of_home(settings.home) == []


def runs(airflow, dag):
    return airflow._read(f"/dags/{dag}/dagRuns", {"order_by": "run_after"})["dag_runs"]


def dataset(airflow):
    (asset,) = airflow._read("/assets", {"name_pattern": "dataset"})["assets"]
    return asset


def ended(airflow, dag, number):
    """The states of the tasks of a DAG's run, counted from 0, when it has ended."""
    while len(found := runs(airflow, dag)) <= number or found[number]["state"] in ("queued", "running"):
        time.sleep(1)
    tasks = airflow.tasks(dag, found[number]["dag_run_id"])
    return {task.task_id: task.state for task in tasks}


def test_what_is_dropped_comes_in_and_is_announced_and_what_is_not_new_or_refused_is_not(airflow, tmp_path):
    settings = read_settings()
    recipe = load_recipe(settings.recipes / "mine.toml")
    drop_all(tmp_path / "in")
    (tmp_path / "in" / "_READY").touch()
    assert ended(airflow, "ingest__mine", 0) == {"ingest": "success", "announce": "success"}
    assert not (tmp_path / "in" / "_READY").exists()
    assert len(read(settings.data / TRAIN)) == 20
    # Airflow 3.3.2 answers 500 for an event while a run that it caused has not started.
    while not (started := runs(airflow, "train__mine")) or not started[0]["start_date"]:
        time.sleep(1)
    assert started[0]["run_type"] == "asset_triggered"
    (event,) = airflow._read("/assets/events", {"asset_id": dataset(airflow)["id"]})["asset_events"]
    assert (event["extra"]["md5"], event["extra"]["changes"][TRAIN]["added"]) == (current(settings).md5, 20)

    more = [*(example(f"more-{n}") for n in range(20)), example("mail", completion=MAIL)]
    drop(tmp_path / "in" / "train" / "more.jsonl", more)
    outcome = ingest(str(tmp_path / "in"), recipe, settings, announce=lambda done: announce(ingested(done), settings))
    assert outcome.announced
    second = dataset(airflow)["last_asset_event"]["id"]
    assert second > event["id"]
    decision = Decision(*outcome.quarantine, (1,), "the address is our own", personal=True)
    assert release(decision, settings, announce=lambda found: announce(found, settings))
    assert dataset(airflow)["last_asset_event"]["id"] > second
    airflow.trigger("ingest__mine", {})
    assert ended(airflow, "ingest__mine", 1) == {"ingest": "skipped", "announce": "skipped"}
    drop(tmp_path / "in" / "train" / "bad.jsonl", [example("a"), {"id": "b"}])
    airflow.trigger("ingest__mine", {"source": str(tmp_path / "in")})
    assert ended(airflow, "ingest__mine", 2) == {"ingest": "failed", "announce": "upstream_failed"}
    assert len(read(settings.data / TRAIN)) == 41
