"""With distil.release the student is the candidate: the same flow trains it, and it stands in its teacher's place."""

import os
import subprocess
import sys
import tomllib

import pytest

from pipelines.artifact import read_json, read_manifest
from pipelines.distil_recipe import Distil
from pipelines.errors import Refused
from pipelines.flow import plan, stages, train
from pipelines.mirror import here
from pipelines.recipe_file import parse_recipe
from pipelines.run import freeze, new_run
from pipelines.settings import ROOT
from pipelines.steps import STUDENT
from tests.evidence import RECIPE, artifact
from tests.small_evaluation import dataset, rows_of
from tests.small_evaluation import settings as settings  # noqa: PLC0414 - the fixture
from tests.toy_models import encoder_folder

PAIRS = tomllib.loads(RECIPE)
SMALL = {"student": "small", "release": True}


def recipe_of(**changes):
    return parse_recipe(PAIRS | {"evaluate": {"control": False}} | changes, "test")


def run_of(recipe, md5="0" * 32 + ".dir"):
    return new_run(recipe, "manual__1", md5, "engineer")


def test_a_released_student_stands_between_its_teacher_and_the_report():
    order = {stage.name: stage for stage in stages(run_of(recipe_of(distil=SMALL)))}
    assert list(order)[-3:] == ["finetune", "distil", "evaluate"]
    assert order["distil"].inputs == {"dataset": "dataset", "teacher": "finetune"}
    assert order["evaluate"].inputs["tuned"] == "distil"
    assert order["evaluate"].inputs["teacher"] == "finetune"
    assert "distil" not in {stage.name for stage in stages(run_of(recipe_of(distil={"student": "small"})))}


def test_release_alone_has_no_student_learn_again():
    assert set(Distil.model_fields) == {*STUDENT, "release"}


def test_a_control_beside_a_released_student_is_refused():
    with pytest.raises(Refused, match=r"distil.release makes it a student; set evaluate.control to false"):
        recipe_of(distil=SMALL, evaluate={"control": True})


def test_stereotypes_of_a_released_student_are_asked_for_only_where_it_can_say_what_is_likely():
    seen = {"control": False, "bias": "pairs.jsonl"}
    recipe_of(evaluate=seen, distil={"student": "small"})
    with pytest.raises(Refused, match=r"evaluate.bias asks a classifier under .*; leave it out, or set distil.release"):
        recipe_of(evaluate=seen, distil=SMALL)
    writer = {"task": "generation", "pretrain": {"objective": "causal", "tokens": 500}, "gates": [], "evaluate": seen}
    recipe_of(**writer, distil=SMALL)
    recipe_of(**writer, distil={"student": {"scratch": "micro-decoder"}, "release": True})
    with pytest.raises(Refused, match=r"masked or causal, and distil.student.scratch is 'micro-encoder-decoder'"):
        recipe_of(**writer, distil={"student": {"scratch": "micro-encoder-decoder"}, "release": True})


@pytest.mark.slow
def test_airflow_draws_the_student_where_the_flow_has_it(tmp_path):
    text = RECIPE.replace(
        "[[gates]]", '[evaluate]\ncontrol = false\n[distil]\nstudent = "small"\nrelease = true\n[[gates]]', 1
    )
    (tmp_path / "checker.toml").write_text(text)
    names = "('distil', 'evaluate')"
    code = (
        f"import dags.train as t; print({{n: sorted(t.train__checker.get_task(n).upstream_task_ids) for n in {names}}})"
    )
    environ = {"AIRFLOW_HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    environ |= {"SCRIPTORIUM_RECIPES": str(tmp_path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environ, capture_output=True, text=True, check=True)
    found = done.stdout.splitlines()[-1]
    assert "'distil': ['dataset', 'finetune', 'freeze']" in found
    assert "'evaluate': ['base', 'dataset', 'distil', 'finetune', 'freeze', 'pretrain']" in found


@pytest.fixture
def trained(settings, tmp_path):
    """A run whose every step really ran: base, teacher and student from a few rows."""
    from models.tasks import TASKS

    task = TASKS["classification"]
    recipe = recipe_of(
        task="classification",
        base={"model": {"scratch": "micro-encoder"}, "tokens": 500},
        pretrain={"objective": "masked", "tokens": 500, "block": 32, "batch_tokens": 128},
        finetune={"epochs": 1, "batch_size": 4, "max_length": 32},
        distil={**SMALL, "student": str(encoder_folder(tmp_path / "small")), "epochs": 1},
        gates=[{"metric": "accuracy", "at_least": 0.0}],
    )
    run = run_of(recipe)
    uri = freeze(run, settings)
    artifact(
        settings,
        uri,
        "validate",
        {"dataset": artifact(settings, uri, "dataset", {}, dataset(rows_of(task)))},
        {"validation.json": "{}"},
    )
    return run, uri, train(uri, run, None)


@pytest.mark.slow
def test_the_report_and_the_gates_are_the_students_and_its_teacher_stands_beside(trained, settings):
    from pipelines.check_gates import artifacts_of
    from pipelines.packet import _change, _taught
    from pipelines.variants import Original

    run, _, uri = trained
    report = read_json(here(uri) / "report.json")
    made = artifacts_of(uri, run, None, settings)
    assert read_manifest(made["tuned"]).step == "distil"
    assert report["teacher"]["parameters"] < report["teacher"]["teacher_parameters"]
    original = Original(run, uri, settings)
    student, teacher = (original.answers(made[name]) for name in ("tuned", "teacher"))
    accuracy = [sum(row["prediction"] == row["label"] for row in rows) / len(rows) for rows in (student, teacher)]
    assert report["metrics"]["accuracy"]["value"] == pytest.approx(accuracy[0], abs=1e-6)
    assert report["teacher"]["metrics"]["accuracy"] == pytest.approx(accuracy[1], abs=1e-6)
    assert (original.teacher, original.student()) == (made["teacher"], made["tuned"])
    assert set(report["curves"]) == {"base", "pretrain", "finetune", "distil"}
    assert all(report["curves"].values())
    page = (here(uri) / "report.html").read_text()
    assert "and learned from a teacher of" in page
    assert "Its teacher" in page
    assert "its teacher" in _change(report)
    assert _taught(report).startswith("A student: ")
    assert [forecast.reused for forecast in plan(run, None, settings)] == [True] * 7
