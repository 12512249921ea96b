"""The real DAG on real Airflow and MLflow, from prepared artifacts to a decision: answered, refused, and got round."""

import time

import pytest

from pipelines import services as stack
from pipelines.airflow_api import Airflow
from pipelines.audit import audit
from pipelines.dataset import current_md5
from pipelines.errors import Refused
from pipelines.registry import champion
from pipelines.settings import read_settings
from tests.evidence import RECIPE, finished_run
from tests.test_registry import classifier

pytestmark = [pytest.mark.service, pytest.mark.timeout(1200)]

DAG = "train__checker"
LIMIT_S = 400


@pytest.fixture(scope="module")
def settings(tmp_path_factory, free_port):
    """A stack of its own: its only recipe is one whose artifacts are prepared, so that only decisions run."""
    home = tmp_path_factory.mktemp("home")
    (home / "recipes").mkdir()
    (home / "recipes" / "checker.toml").write_text("seed = 1\n" + RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCRIPTORIUM_HOME", str(home))
        patch.setenv("SCRIPTORIUM_RECIPES", str(home / "recipes"))
        patch.setenv("SCRIPTORIUM_AIRFLOW_PORT", str(free_port()))
        patch.setenv("SCRIPTORIUM_MLFLOW_PORT", str(free_port()))
        found = read_settings()
        try:
            stack.up(found)
            yield found
        finally:
            stack.down(found)


def prepare(settings, seed, **changes):
    """Make the artifacts that a run with this seed will reuse."""
    files, examples = classifier(settings.home / f"model-{seed}", seed)
    finished_run(
        settings, f"prepared-{seed}", seed=seed, model=files, examples=examples, dataset_md5=current_md5(), **changes
    )


def until(settings, run_id, ready):
    """The states of a run's tasks, as soon as they are `ready`."""
    airflow, end = Airflow(settings, "promoter"), time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        states = {task.task_id: task.state for task in airflow.tasks(DAG, run_id)}
        if ready(states):
            return states
        if "failed" in states.values():
            task = next(name for name, state in states.items() if state == "failed")
            pytest.fail(f"{task}: " + "\n".join(airflow.log(DAG, run_id, task, 1)[-20:]))
        time.sleep(1)
    pytest.fail(f"{run_id} is not there after {LIMIT_S} s: {states}")


def asked(settings, seed):
    """Start a run and wait until its review is open; returns the run's id."""
    run_id = Airflow(settings, "engineer").trigger(DAG, {"seed": seed})
    until(settings, run_id, lambda states: states.get("review") == "awaiting_input")
    return run_id


def ended(states):
    return states.get("promote") in ("success", "failed", "upstream_failed", "skipped")


def last_lines(settings, run_id, task):
    return "\n".join(Airflow(settings, "promoter").log(DAG, run_id, task, 1)[-5:])


def mark_as_success(settings, run_id, task):
    """What anybody with edit rights can do in Airflow's pages."""
    engineer = Airflow(settings, "engineer")
    engineer._send("PATCH", f"/dags/{DAG}/dagRuns/{run_id}/taskInstances/{task}", {"new_state": "success"})


def test_decisions_in_airflow(settings):
    prepare(settings, 1)
    run_id = asked(settings, 1)
    mark_as_success(settings, run_id, "review")
    states = until(settings, run_id, lambda found: ended(found) or found.get("record_review") == "failed")
    assert states["record_review"] == "failed"
    assert "a task marked as success is no answer" in last_lines(settings, run_id, "record_review")
    assert champion("checker", settings) is None

    run_id = asked(settings, 1)
    with pytest.raises(Refused):
        Airflow(settings, "engineer").answer(DAG, run_id, "Approve", "I made it myself")
    Airflow(settings, "reviewer").answer(DAG, run_id, "Approve", "reads well")
    assert until(settings, run_id, ended)["promote"] == "success"
    held = champion("checker", settings)
    found = audit("checker", settings)
    assert (found["champion"], found["reviewer"], found["reason"], found["problems"]) == (
        "version 1",
        "reviewer",
        "reads well",
        [],
    )

    prepare(settings, 2, champion=held.folder, accuracy=0.83)
    run_id = asked(settings, 2)
    Airflow(settings, "reviewer").answer(DAG, run_id, "Reject", "it guesses")
    states = until(settings, run_id, lambda found: ended(found) or found.get("promote") == "failed")
    assert "reviewer rejected the candidate: it guesses" in last_lines(settings, run_id, "promote")
    assert champion("checker", settings) == held
    found = audit("checker", settings)
    assert [(refusal["reviewer"], refusal["reason"]) for refusal in found["refusals"]] == [("reviewer", "it guesses")]
    assert found["problems"] == []
