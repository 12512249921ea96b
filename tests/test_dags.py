"""The DAGs: light to parse, in the order of the flow, and closed where a decision must be."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from pipelines.flow import stages
from pipelines.recipe import Method
from pipelines.recipe_file import PARAMETERS, load_recipe
from pipelines.run import new_run
from pipelines.settings import ROOT, read_settings

pytestmark = pytest.mark.slow

HEAVY = ["torch", "mlflow", "great_expectations", "dvc", "boto3"]
RECIPES = sorted(path.stem for path in (ROOT / "pipelines" / "recipes").glob("*.toml"))

# A fresh interpreter, for other tests import torch; one for all DAG files, for importing Airflow takes seconds.
LOOK = f"""
import json, sys, pathlib
for path in pathlib.Path("dags").glob("*.py"):
    __import__(f"dags.{{path.stem}}")
heavy = sorted({{"{'", "'.join(HEAVY)}"}} & set(sys.modules))
from airflow.sdk import DAG
dags = {{d.dag_id: d for d in vars(sys.modules["dags.train"]).values() if isinstance(d, DAG)}}
print(json.dumps({{"heavy": heavy, "dags": {{
    name: {{
        "upstream": {{t.task_id: sorted(t.upstream_task_ids) for t in d.tasks}},
        "retries": {{t.task_id: t.retries for t in d.tasks}},
        "params": {{key: d.params.get_param(key).schema for key in d.params}},
        "reviewers": d.get_task("review").assigned_users,
        "runs_at_once": d.max_active_runs,
        "defaults": [d.get_task(name).defaults for name in ("review", "second_review")],
    }} for name, d in dags.items()}}}}))
"""


def parse(code, home, **settings):
    environ = os.environ | {"AIRFLOW_HOME": str(home), "PYTHONPATH": str(ROOT), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, env=environ | settings, capture_output=True, text=True)


@pytest.fixture(scope="module")
def look(tmp_path_factory):
    result = parse(LOOK, tmp_path_factory.mktemp("airflow"))
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_parsing_the_dags_loads_nothing_heavy(look):
    assert look["heavy"] == []


def test_every_recipe_has_its_dag(look):
    assert set(look["dags"]) == {f"train__{name}" for name in RECIPES}


@pytest.mark.parametrize("name", RECIPES)
def test_airflow_draws_the_same_order_as_the_flow(look, name):
    upstream = look["dags"][f"train__{name}"]["upstream"]
    recipe = load_recipe(ROOT / "pipelines" / "recipes" / f"{name}.toml")
    for stage in stages(new_run(recipe, "r", "md5", "me")):
        assert set(stage.inputs.values()) | {"freeze"} <= set(upstream[stage.name]), stage.name


@pytest.mark.parametrize("name", RECIPES)
def test_nothing_is_promoted_without_gates_and_review(look, name):
    upstream = look["dags"][f"train__{name}"]["upstream"]
    assert "check_gates" in upstream["register"]
    assert upstream["review"] == ["register"]
    assert upstream["second_review"] == ["review"]
    assert "second_review" in upstream["record_review"]
    assert "record_review" in upstream["promote"]


@pytest.mark.parametrize("name", RECIPES)
def test_every_step_outlives_lost_machines_and_restarting_services(look, name):
    retries = look["dags"][f"train__{name}"]["retries"]
    assert min(retries.values()) >= 3, retries


@pytest.mark.parametrize("name", RECIPES)
def test_the_form_is_typed_and_only_the_recipes_reviewers_may_answer(look, name):
    dag = look["dags"][f"train__{name}"]
    assert set(dag["params"]) == {*PARAMETERS, "refresh"}
    assert all({"type", "enum"} & set(schema) and schema["section"] for schema in dag["params"].values())
    recipe = load_recipe(ROOT / "pipelines" / "recipes" / f"{name}.toml")
    assert [user["id"] for user in dag["reviewers"]] == list(recipe.review.reviewers)
    assert dag["runs_at_once"] == 1


# The base as it came is asked for labels by words, which is all that `epochs = 0` is for.
ASKED = """epochs = 0
prompt = { template = "{text} {mask}", words = { yes = "yes", no = "no" } }
"""
VALID = """
import dags.train
from airflow.sdk import DAG
for dag in [one for one in vars(dags.train).values() if isinstance(one, DAG)]:
    dag.params.validate()
    print(dag.dag_id)
"""


def test_airflow_takes_the_form_of_every_recipe_that_is_one(tmp_path):
    """It refuses each run of a DAG whose form does not take its own defaults."""
    shipped = (ROOT / "pipelines" / "recipes" / "opinion_topic.toml").read_text()
    told = {method: f'epochs = 1\nmethod = "{method}"\n' for method in get_args(Method)} | {"asked": ASKED}
    for name, lines in told.items():
        recipe = shipped.replace("epochs = 6\n", lines).replace("early_stopping = 2\n", "")
        (tmp_path / f"{name}.toml").write_text(recipe.replace("opinion_topic", name))
    result = parse(VALID, tmp_path / "airflow", SCRIPTORIUM_RECIPES=str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert {f"train__{name}" for name in told} <= set(result.stdout.splitlines())


def test_a_refused_recipe_leaves_the_other_dags_alone_and_is_named(tmp_path):
    shipped = (ROOT / "pipelines" / "recipes" / "summary_checker.toml").read_text()
    (tmp_path / "summary_checker.toml").write_text(shipped)
    (tmp_path / "mine.toml").write_text(shipped.replace("epochs =", "epoch ="))
    code = "import dags.train; print([n for n in vars(dags.train) if n.startswith('train__')]); import dags.recipes"
    result = parse(code, tmp_path / "airflow", SCRIPTORIUM_RECIPES=str(tmp_path))
    assert result.stdout.splitlines()[-1] == "['train__summary_checker']"
    assert "mine.toml: unknown key 'finetune.epoch'; did you mean 'epochs'?" in result.stderr.splitlines()[-1]


QUEUES = """
import json
import dags.train
from dags.reconcile import reconcile
from airflow.sdk import DAG
found = [*(dag for dag in vars(dags.train).values() if isinstance(dag, DAG)), reconcile()]
print(json.dumps({dag.dag_id: {task.task_id: task.queue for task in dag.tasks} for dag in found}))
"""


def test_what_takes_the_promoters_password_goes_to_the_queue_of_the_workers_that_hold_it(tmp_path):
    """And nothing else does: code that trains must not run where that password lies."""
    result = parse(QUEUES, tmp_path / "airflow", SCRIPTORIUM_PROMOTER_QUEUE="promotion")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout.splitlines()[-1])
    assert set(found) == {*(f"train__{name}" for name in RECIPES), "reconcile"}
    for dag, queues in found.items():
        ours = {"reconcile"} if dag == "reconcile" else {"record_review", "promote"}
        assert {task for task, queue in queues.items() if queue == "promotion"} == ours, dag
        assert {queue for task, queue in queues.items() if task not in ours} <= {"default"}, dag


# What a step's child process ended with, and what Airflow makes of it.
FATES = """
import json
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from dags.child import run_step
from dags.review import Review

def fate(*arguments, does=run_step):
    try:
        return does(*arguments)
    except AirflowException as error:
        return f"{type(error).__name__}: {error}"

form = {"recipe": "summary_checker", "run": "r1", "form": "{}", "requester": "me"}
run = fate("freeze", None, form)
print(json.dumps({
    "whole": run,
    "refused": fate("freeze", None, form | {"recipe": "sumary_checker"}),
    "mlflow is away": fate("evaluate", run, {}),
    "nobody answered": fate(
        {"error_type": "timeout", "error": "The time has passed."},
        does=Review(task_id="review", subject="?", options=["Approve"]).process_trigger_event_error,
    ),
}))
"""


@pytest.fixture(scope="module")
def fates(tmp_path_factory, free_port):
    home = tmp_path_factory.mktemp("home") / "a=b c"
    settings = {"SCRIPTORIUM_HOME": str(home), "SCRIPTORIUM_MLFLOW_PORT": str(free_port()), "PYTHONPATH": str(home)}
    home.mkdir()
    (home / "sitecustomize.py").write_text("import atexit; atexit.register(print, 'a warning at the very end')")
    result = parse(FATES, home / "airflow", **settings)
    assert result.returncode == 0, result.stderr
    told = next(line for line in reversed(result.stdout.splitlines()) if line.startswith("{"))
    return {"home": home, **json.loads(told)}


def test_a_step_hands_over_its_uri_whatever_its_process_prints_and_its_folder_is_called(fates):
    assert fates["whole"] == str(fates["home"] / "artifacts" / "runs" / "summary_checker" / "r1")


def test_a_refusal_is_final_and_a_service_that_is_away_is_tried_again(fates):
    assert fates["refused"].startswith("AirflowFailException: freeze ended with exit code 10: refused: no recipe")
    assert fates["mlflow is away"].startswith("AirflowException: evaluate ended with exit code 75: stopped: MLflow")


def test_nothing_answers_a_review_but_a_person(look):
    """Airflow would answer with `defaults` itself when the time is out."""
    assert {tuple(dag["defaults"]) for dag in look["dags"].values()} == {(None, None)}


def test_a_review_that_nobody_answers_in_time_is_not_asked_again_by_itself(fates):
    assert fates["nobody answered"] == "AirflowFailException: The time has passed. Start a new run to ask again."


def test_the_code_that_runs_is_ours():
    """`models` and `dags` are common names; a stray package of that name must not win."""
    import dags
    import models
    import pipelines

    for package in (dags, models, pipelines):
        assert Path(package.__file__).parent.parent == ROOT
    assert read_settings({}).home == ROOT / ".scriptorium"
