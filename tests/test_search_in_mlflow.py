"""A search stands in MLflow as one run with one nested run for each trial, however often it is written."""

import mlflow  # noqa: TID253
import pytest

from pipelines.run import new_run
from pipelines.search_tracking import record_search
from tests.evidence import MD5, RECIPE

pytestmark = pytest.mark.service


def told(number, value, state, why=""):
    settings = {"finetune.learning_rate": 0.001 * number, "finetune.method": "lora"}
    return {"number": number, "value": value, "state": state, "why": why, "settings": settings, "epochs": [0.5, 0.6]}


def test_each_trial_is_nested_in_the_study_and_written_once(mlflow_settings, product, tmp_path):
    import tomllib

    from pipelines.recipe_file import parse_recipe

    run = new_run(parse_recipe(tomllib.loads(RECIPE) | {"name": product}, "test"), "r1", MD5, "engineer")
    page = tmp_path / "search.html"
    page.write_text("<p>plots</p>")
    trials = [told(1, 0.7, "whole"), told(2, None, "ended early", "worse"), told(3, None, "under way")]
    found = {"study": "0123456789abcdef", "metric": "accuracy", "trials": trials, "best": trials[0], "page": str(page)}
    found["importance"] = {"finetune.learning_rate": 0.9}
    tracked = record_search(found, run, mlflow_settings)
    assert record_search(found, run, mlflow_settings) == tracked
    client = mlflow.MlflowClient(mlflow_settings.mlflow_url)
    runs = client.search_runs([tracked.experiment])
    nested = [one for one in runs if one.data.tags.get("mlflow.parentRunId") == tracked.run]
    assert (len(runs), len(nested)) == (3, 2)
    best = next(one for one in nested if one.data.tags["search_trial"] == "1")
    assert best.data.params == {"finetune.learning_rate": "0.001", "finetune.method": "lora"}
    assert best.data.metrics == {"validation/accuracy": 0.6, "accuracy": 0.7}
    assert [file.path for file in client.list_artifacts(tracked.run)] == ["search.html"]
