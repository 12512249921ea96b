"""Ways round the review, tried on the real DAG in real Airflow, with everything before the decision prepared."""

import json
import re
import time
from datetime import UTC, datetime, timedelta

import pytest

from pipelines import dossier as dossiers
from pipelines import follow, ledger, registry
from pipelines.airflow_api import Airflow
from pipelines.champion import champion
from pipelines.dataset import current_md5
from pipelines.decision import Review
from pipelines.errors import Refused
from pipelines.promote import promote
from pipelines.review import write_review
from pipelines.tracking import connect
from tests.evidence import finished_run
from tests.inbox import inbox
from tests.live_runs import LIMIT_S, LiveRun
from tests.promotions import classifier

pytestmark = [pytest.mark.service, pytest.mark.timeout(1500)]

DAG = "train__checker"


@pytest.fixture
def settings(services):
    """The stack; of its recipes `checker` is the one whose artifacts are prepared, so that only decisions run."""
    return services


@pytest.fixture(scope="module")
def told(services):
    """What the reviewers are told, by the connection that `checker` names; an administrator made it in Airflow."""
    with inbox() as box:
        extra = json.dumps({"config": {"path": f"json://127.0.0.1:{box.port}"}})
        connection = {"connection_id": "reviewers", "conn_type": "apprise", "extra": extra}
        Airflow(services, "admin")._send("POST", "/connections", connection)
        yield box.received


def prepare(settings, seed, **changes):
    """Make the artifacts that a run with this seed will reuse."""
    files, examples = classifier(settings.home / f"model-{seed}", seed)
    finished_run(
        settings, f"prepared-{seed}", seed=seed, model=files, examples=examples, dataset_md5=current_md5(), **changes
    )


def asked(settings, seed):
    """Start a run and wait until its review is open; returns it, and the seal of the dossier that it is about."""
    run = LiveRun(settings, DAG, Airflow(settings, "engineer").trigger(DAG, {"seed": seed}))
    return run, run.asked()


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
    run, seal = asked(settings, 1)
    dossier = dossiers.read(str(settings.home / "artifacts" / "dossiers" / seal), settings)

    with pytest.raises(Refused, match="engineer may not do this"):
        run.answer("engineer", reason="I made it myself")
    forged = {"candidate": "models:/checker-candidates/1", "review": forged_review(settings, dossier, run.run_id)}
    with pytest.raises(Refused, match="nobody has answered"):
        promote(dossier.run_uri, forged)

    run.mark_as_success("review")
    assert "a task marked as success is no answer" in run.ended("record_review")
    assert champion("checker", settings) is None


def test_a_candidate_put_straight_into_production_is_no_champion_for_longer_than_minutes(settings):
    client = connect(settings)
    client.copy_model_version("models:/checker-candidates/1", "checker")
    client.set_registered_model_alias("checker", "champion", "1")
    airflow = Airflow(settings, "engineer")
    # It runs every few minutes by itself; whichever run comes first undoes it.
    airflow.trigger("reconcile", {})
    end = time.monotonic() + LIMIT_S
    while registry.aliases_of("checker", settings) and time.monotonic() < end:
        time.sleep(1)
    told = ledger.read(ledger.ledger_path("checker", settings))[-1]
    assert (told.event, told.facts["what"]) == ("undone", "alias champion is held by version 1")
    assert champion("checker", settings) is None


def test_reviewers_are_told_that_they_are_asked_and_again_while_the_review_waits(settings, told):
    prepare(settings, 2)
    run, _ = asked(settings, 2)
    review = Airflow(settings, "promoter").review(DAG, run.run_id)
    page = re.search(r"http\S+/review/\w+/[0-9a-f]{64}", review.body)[0]
    assert [message["title"] for message in told] == ["Make the new checker the champion?"]
    assert told[0]["message"].endswith(page)

    a_day_on = review.created_at + timedelta(hours=24, minutes=1)
    reminding = Airflow(settings, "engineer").trigger("remind", {"at": a_day_on.isoformat()})
    LiveRun(settings, "remind", reminding).until(lambda states: states.get("remind") == "success")
    assert [message["title"] for message in told[1:]] == ["Still open: Make the new checker the champion?"]
    assert page in told[1]["message"]
    assert "closes in 6 days" in told[1]["message"]


def test_an_open_review_is_found_although_another_run_is_queued_behind_it(settings, capsys):
    """The run of the test before."""
    engineer = Airflow(settings, "engineer")
    run = LiveRun(settings, DAG, engineer.unfinished_runs(DAG)[0].run_id)
    queued = engineer.trigger(DAG, {"seed": 2})
    assert [run.run_id for run in engineer.unfinished_runs(DAG)] == [run.run_id, queued]
    ahead = re.escape(run.run_id)
    waits_for = rf"one run at a time, and the one ahead is {ahead}, whose review is open; .*review checker"
    assert re.search(waits_for, follow.why_queued(engineer, DAG, queued))

    engineer._send("PATCH", f"/dags/{DAG}/dagRuns/{queued}", {"state": "failed"})
    follow.answer("checker", "Approve", "good enough", "reviewer", settings)
    assert run.run_id in capsys.readouterr().out


def test_a_first_release_waits_for_another_reviewer_whom_no_click_replaces(settings):
    """The run of the test before, whose first review was approved."""
    run = LiveRun(settings, DAG, Airflow(settings, "engineer").unfinished_runs(DAG)[0].run_id)
    run.until(lambda states: states.get("second_review") == "awaiting_input")
    with pytest.raises(Refused, match="reviewer may not do this"):
        follow.answer("checker", "Approve", "I like it still", "reviewer", settings)

    run.mark_as_success("second_review")
    assert "takes 2 approvals, and only reviewer has given one" in run.ended("record_review")

    run.clear("second_review")
    run.until(lambda states: states.get("second_review") == "awaiting_input")
    follow.answer("checker", "Reject", "not good enough", "second_reviewer", settings)
    assert run.ended("promote").startswith("skipped")
    told = ledger.read(ledger.ledger_path("checker", settings))[-1]
    assert (told.event, told.facts["reviewer"], told.facts["first_reviewer"]) == (
        "rejected",
        "second_reviewer",
        "reviewer",
    )
    assert champion("checker", settings) is None
