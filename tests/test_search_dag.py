"""Only a recipe with a [search] has a DAG for it; its workers share the trials, and a summary comes last."""

import json
import os
import subprocess
import sys

import pytest

from pipelines.settings import ROOT

pytestmark = pytest.mark.slow

LOOK = """
import json, sys, dags.search
from airflow.sdk import DAG
dags_of_it = [d for d in vars(dags.search).values() if isinstance(d, DAG)]
print(json.dumps({"heavy": sorted({"torch", "mlflow", "optuna"} & set(sys.modules)), "dags": {
    d.dag_id: {
        "upstream": {t.task_id: sorted(t.upstream_task_ids) for t in d.tasks},
        "retries": [getattr(t, "retries", 0) for t in d.tasks],
        "workers": d.get_task("search").op_kwargs_expand_input.value["worker"],
    } for d in dags_of_it}}))
"""


@pytest.fixture(scope="module")
def look(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipes")
    shipped = (ROOT / "pipelines" / "recipes" / "docs_writer.toml").read_text()
    (folder / "docs_writer.toml").write_text(shipped.split("\n[search]")[0])
    search = '\n[search]\nspace."finetune.epochs" = [1, 2]\nworkers = 3\n'
    name = shipped.split("\n[search]")[0].replace('"docs_writer"', '"mine"', 1)
    (folder / "mine.toml").write_text(name + search)
    environ = {"AIRFLOW_HOME": str(folder / "airflow"), "SCRIPTORIUM_RECIPES": str(folder)}
    more = {"PYTHONPATH": str(ROOT), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    command = [sys.executable, "-c", LOOK]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environ | more, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_only_a_recipe_that_says_what_to_search_has_a_dag_for_it(look):
    assert list(look["dags"]) == ["search__mine"]
    assert look["heavy"] == []


def test_workers_share_the_trials_and_the_summary_waits_for_all_of_them(look):
    found = look["dags"]["search__mine"]
    assert found["workers"] == ["1", "2", "3"]
    assert {"freeze", "dataset", "pretrain"} <= set(found["upstream"]["search"])
    assert "search" in found["upstream"]["search_summary"]
    assert min(found["retries"]) >= 3
