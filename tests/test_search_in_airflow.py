"""In real Airflow, two tasks work on one study beside each other, and the third says what they found."""

import sqlite3
import time
from collections import Counter

import mlflow  # noqa: TID253
import pytest

from pipelines import services as stack
from pipelines.airflow_api import Airflow
from pipelines.dataset import current_md5
from pipelines.processes import of_home
from pipelines.search import place_of
from pipelines.settings import read_settings
from tests.evidence import RECIPE
from tests.small_search import prepared

pytestmark = [pytest.mark.service, pytest.mark.timeout(1200)]

BUDGET = {"trials": 4, "workers": 2}
DAG = "search__seeker"
# What `prepared` says too, so that the DAG finds the data and the base made.
SEARCH = """
[finetune]
batch_size = 16
max_length = 48
[search]
trials = 4
workers = 2
space."finetune.epochs" = [1, 2]
space."finetune.learning_rate" = { low = 1e-5, high = 1e-2, log = true }
"""


@pytest.fixture
def settings(tmp_path, monkeypatch, free_port):
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "seeker.toml").write_text(RECIPE.replace('"checker"', '"seeker"') + SEARCH)
    for name, value in {
        "HOME": tmp_path / "home",
        "RECIPES": tmp_path / "recipes",
        "AIRFLOW_PORT": free_port(),
        "MLFLOW_PORT": free_port(),
    }.items():
        monkeypatch.setenv(f"SCRIPTORIUM_{name}", str(value))
    found = read_settings()
    try:
        stack.up(found)
        yield found
    finally:
        stack.down(found)
    assert of_home(found.home) == []


def test_two_tasks_share_the_trials_of_one_study_and_the_summary_stands_in_mlflow(settings, tmp_path):
    run, _, inputs = prepared(tmp_path, "seeker", md5=current_md5(), **BUDGET)
    airflow = Airflow(settings, "engineer")
    started = airflow.trigger(DAG, {})
    while airflow.run(DAG, started).state in ("queued", "running"):
        time.sleep(1)
    tasks = Counter((task.task_id, task.state) for task in airflow.tasks(DAG, started))
    assert tasks["search", "success"] == BUDGET["workers"]
    assert tasks["search_summary", "success"] == 1
    assert "the best settings (accuracy " in "\n".join(airflow.log(DAG, started, "search_summary", 1))
    study = place_of(run, inputs, settings)
    with sqlite3.connect(study.folder / "study.db") as trials:
        states = [state for (state,) in trials.execute("select state from trials")]
    assert len(states) == BUDGET["trials"]
    assert set(states) <= {"COMPLETE", "PRUNED"}, "no trial was lost, and none tried twice"
    client = mlflow.MlflowClient(settings.mlflow_url)
    found = client.search_runs([one.experiment_id for one in client.search_experiments()])
    nested = [one for one in found if one.data.tags.get("mlflow.parentRunId")]
    assert len(nested) == BUDGET["trials"]
