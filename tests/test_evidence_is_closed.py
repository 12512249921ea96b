"""What a decision rests on was made by one run from end to end: nothing left out, nothing put in from elsewhere."""

import shutil
from pathlib import Path

import pytest

from pipelines.artifact import read_manifest
from pipelines.check_gates import artifacts_of
from pipelines.errors import Refused
from pipelines.flow import stages
from pipelines.run import read_run
from pipelines.settings import read_settings
from pipelines.steps import STEPS, made_from, make
from pipelines.task import DECISIONS, run_task
from tests.evidence import artifact, finished_run

OTHER_MD5 = "f" * 32 + ".dir"


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path))
    return read_settings()


@pytest.fixture
def finished(settings):
    run_uri, report = finished_run(settings, "manual__1")
    return run_uri, artifacts_of(report, read_run(run_uri), None, settings)


def report_on(settings, run_uri, made, **others):
    """A report of the run that looked at `others` instead of what the run made."""
    inputs = {name: made[name] for name in ("dataset", "base", "adapted", "tuned", "control")} | others
    return artifact(settings, run_uri, "evaluate", inputs, {"report.json": "{}"})


def tuned_from(settings, run_uri, dataset, model):
    """What a task makes that was handed these."""
    return artifact(settings, run_uri, "finetune", {"dataset": dataset, "model": model}, {"model/w": "w"})


def test_a_step_whose_input_was_left_out_is_not_run(settings, finished):
    run_uri, made = finished
    with pytest.raises(Refused, match=r"base needs validation, and got none.*marked as success by hand"):
        make("base", run_uri, {"dataset": made["dataset"]})
    with pytest.raises(Refused, match="validate takes no base; it takes dataset"):
        make("validate", run_uri, {"dataset": made["dataset"], "base": made["base"]})


def test_a_step_of_a_run_that_was_never_frozen_is_not_run(settings):
    with pytest.raises(Refused, match=r"dataset needs a run, and got none: was freeze marked as success by hand"):
        run_task("dataset", None, {}, settings)


def test_only_the_control_the_champion_and_the_teacher_may_be_missing(settings, finished):
    run = read_run(finished[0])
    for name, step in STEPS.items():
        for left_out in step.inputs:
            with pytest.raises(Refused, match=f"{name} needs {left_out}"):
                made_from(name, run, {given: "d" for given in step.inputs if given != left_out})
        made_from(name, run, dict.fromkeys(step.inputs, "d"))
    assert {name for step in STEPS.values() for name in step.optional} == {"control", "champion", "teacher"}


@pytest.mark.parametrize("decision", DECISIONS)
def test_a_decision_whose_evidence_was_left_out_is_refused(settings, finished, decision):
    with pytest.raises(Refused, match=f"{decision} needs .*, and got none"):
        run_task(decision, finished[0], {}, settings)


@pytest.mark.parametrize("stage", ["dataset", "validate", "base", "pretrain"])
def test_evidence_that_lacks_an_artifact_is_refused(settings, finished, stage):
    run_uri, made = finished
    name = {"validate": "validation", "pretrain": "adapted"}.get(stage, stage)
    shutil.rmtree(made[name])
    with pytest.raises(Exception, match=f"{stage}/.* is not a whole artifact"):
        artifacts_of(made["report"], read_run(run_uri), None, settings)


def test_a_validation_that_was_edited_is_refused(settings, finished):
    run_uri, made = finished
    (Path(made["validation"]) / "validation.html").write_text("<p>all fine</p>")
    with pytest.raises(Refused, match=r"validation\.html"):
        artifacts_of(made["report"], read_run(run_uri), None, settings)


def test_a_model_trained_on_another_dataset_than_the_runs_is_refused(settings, finished):
    run_uri, made = finished
    other_uri, _ = finished_run(settings, "manual__2", dataset_md5=OTHER_MD5)
    other = artifact(settings, other_uri, "dataset", {}, {"tasks/rows.jsonl": "{}\n{}\n"})
    tuned = tuned_from(settings, run_uri, other, made["adapted"])
    open_report = report_on(settings, run_uri, made, dataset=other, tuned=tuned)
    with pytest.raises(Refused, match=r"is not the dataset of this run: dataset_md5 differ"):
        artifacts_of(open_report, read_run(run_uri), None, settings)
    silent_report = report_on(settings, run_uri, made, tuned=tuned)
    with pytest.raises(Refused, match=r"is not the tuned of this run: input\.dataset differ"):
        artifacts_of(silent_report, read_run(run_uri), None, settings)


def test_a_model_tuned_from_another_model_than_the_adapted_is_refused(settings, finished):
    run_uri, made = finished
    report = report_on(settings, run_uri, made, tuned=tuned_from(settings, run_uri, made["dataset"], made["base"]))
    with pytest.raises(Refused, match=r"is not the tuned of this run: input\.model differ"):
        artifacts_of(report, read_run(run_uri), None, settings)


def test_a_report_without_the_control_that_the_recipe_asks_for_is_refused(settings, finished):
    run_uri, made = finished
    inputs = {name: made[name] for name in ("dataset", "base", "adapted", "tuned")}
    report = artifact(settings, run_uri, "evaluate", inputs, {"report.json": "{}"})
    with pytest.raises(Refused, match=r"is not the report of this run: input\.control differ"):
        artifacts_of(report, read_run(run_uri), None, settings)


RELEASED = {"distil": {"student": "small", "release": True}, "evaluate": {"control": False}}


def test_a_released_student_rests_on_its_teacher_and_stands_in_its_place(settings):
    run_uri, report = finished_run(settings, "manual__2", recipe=RELEASED)
    made = artifacts_of(report, read_run(run_uri), None, settings)
    assert read_manifest(made["tuned"]).step == "distil"
    assert read_manifest(made["tuned"]).parents["teacher"] == made["teacher"]
    assert read_manifest(made["teacher"]).step == "finetune"
    inputs = {name: made[name] for name in ("dataset", "base", "adapted")}
    for others in ({"tuned": made["teacher"]}, {"tuned": made["tuned"]}):
        alone = artifact(settings, run_uri, "evaluate", inputs | others, {"report.json": "{}"})
        with pytest.raises(Refused, match=r"is not the (tuned|report) of this run"):
            artifacts_of(alone, read_run(run_uri), None, settings)


def test_a_report_that_lies_outside_the_artifact_root_is_refused(settings, finished, tmp_path):
    run_uri, made = finished
    elsewhere = shutil.copytree(made["report"], tmp_path / "elsewhere")
    with pytest.raises(Refused, match="is not the report of this run: it lies elsewhere"):
        artifacts_of(str(elsewhere), read_run(run_uri), None, settings)


def test_the_evidence_is_every_stage_of_the_run(settings, finished):
    run_uri, made = finished
    steps = {read_manifest(uri).step for uri in made.values()}
    assert steps == {stage.step for stage in stages(read_run(run_uri))}
    assert len(made) == len(stages(read_run(run_uri)))
