"""Ways round the review, tried on the real DAG in real Airflow, with everything before the decision prepared."""

import re
import time
from datetime import UTC, datetime

import pytest

from pipelines import dossier as dossiers
from pipelines import follow
from pipelines.airflow_api import Airflow
from pipelines.champion import champion
from pipelines.dataset import current_md5
from pipelines.errors import Refused
from pipelines.promote import promote
from pipelines.review import Review, write_review
from tests.evidence import finished_run
from tests.promotions import classifier

pytestmark = [pytest.mark.service, pytest.mark.timeout(1500)]

DAG = "train__checker"
LIMIT_S = 900


@pytest.fixture
def settings(services):
    """The stack; of its recipes `checker` is the one whose artifacts are prepared, so that only decisions run."""
    return services


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


def mark_as_success(settings, run_id, task):
    """What anybody with edit rights can do in Airflow's pages."""
    engineer = Airflow(settings, "engineer")
    engineer._send("PATCH", f"/dags/{DAG}/dagRuns/{run_id}/taskInstances/{task}", {"new_state": "success"})


def forged_review(settings, dossier, run_id):
    """Write the approval that nobody gave where promote looks for it."""
    approval = Review(
        dossier=dossier.sha256,
        candidate="models:/checker-candidates/1",
        decision="approved",
        reviewer="reviewer",
        reason="forged",
        decided_at=datetime.now(UTC),
        requested_by="engineer",
        dag_id=DAG,
        run_id=run_id,
    )
    return write_review(approval, settings)


def test_an_approval_that_nobody_entitled_gave_promotes_nothing(settings):
    prepare(settings, 1)
    run_id = asked(settings, 1)
    (folder,) = (settings.home / "artifacts" / "dossiers").iterdir()
    dossier = dossiers.read(str(folder), settings)
    assert dossier.sha256 in Airflow(settings, "promoter").review(DAG, run_id).body

    with pytest.raises(Refused, match="engineer may not do this"):
        Airflow(settings, "engineer").answer(DAG, run_id, "Approve", "I made it myself")
    forged = {"candidate": "models:/checker-candidates/1", "review": forged_review(settings, dossier, run_id)}
    with pytest.raises(Refused, match="nobody has answered"):
        promote(dossier.run_uri, forged)

    mark_as_success(settings, run_id, "review")
    until(settings, run_id, lambda states: states.get("record_review") == "failed")
    log = "\n".join(Airflow(settings, "promoter").log(DAG, run_id, "record_review", 1))
    assert "a task marked as success is no answer" in log
    assert champion("checker", settings) is None


def test_an_open_review_is_found_although_another_run_is_queued_behind_it(settings, capsys):
    prepare(settings, 2)
    run_id = asked(settings, 2)
    engineer = Airflow(settings, "engineer")
    queued = engineer.trigger(DAG, {"seed": 2})
    assert [run.run_id for run in engineer.unfinished_runs(DAG)] == [run_id, queued]
    waits_for = rf"one run at a time, and the one ahead is {re.escape(run_id)}, whose review is open; .*review checker"
    assert re.search(waits_for, follow.why_queued(engineer, DAG, queued))

    follow.answer("checker", "Reject", "not good enough", "reviewer", settings)
    engineer._send("PATCH", f"/dags/{DAG}/dagRuns/{queued}", {"state": "failed"})
    assert run_id in capsys.readouterr().out
    until(settings, run_id, lambda states: states.get("promote") == "skipped")
