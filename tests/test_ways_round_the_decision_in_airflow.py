"""Ways round the decision, tried in the real DAG on the live record: whose answer, about what, how old, on which bytes.

Two runs, each told to its end; every try is cheap, for the tasks before the decision reuse what was prepared. What is
tried on the review alone stands in test_review_in_airflow.py.
"""

import shutil
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines import dossier as dossiers
from pipelines import ledger, promote
from pipelines.airflow_api import Airflow
from pipelines.audit import audit
from pipelines.champion import champion
from pipelines.dataset import current_md5
from pipelines.errors import Refused
from pipelines.review import write_review
from tests import evidence
from tests.live_runs import LIMIT_S, LiveRun
from tests.promotions import candidate, classifier, review_of

pytestmark = [pytest.mark.service, pytest.mark.timeout(1500)]

NAME, DAG = "attacked", "train__attacked"
REVIEWERS = '["reviewer", "second_reviewer"]'


def recipe(settings):
    """Of its two reviewers one is enough."""
    text = evidence.RECIPE.replace('"checker"', f'"{NAME}"').replace('["reviewer"]', REVIEWERS)
    (settings.recipes / f"{NAME}.toml").write_text("seed = 1\n" + text)


def started(settings, seed, user, **changes):
    """A run whose artifacts were prepared, so that only decisions run."""
    files, examples = classifier(settings.home / f"attacked-{seed}", seed)
    told = {"recipe": {"name": NAME}, "dataset_md5": current_md5(), "model": files, "examples": examples}
    evidence.finished_run(settings, f"prepared-{seed}", seed=seed, **told, **changes)
    run_id = Airflow(settings, user).trigger(DAG, {"seed": seed})
    return LiveRun(settings, DAG, run_id)


def entries(settings):
    return [entry.event for entry in ledger.read(ledger.ledger_path(NAME, settings))]


@contextmanager
def overwritten(path):
    """A file of other bytes, as long as it lasts."""
    before = path.read_bytes()
    path.write_bytes(bytes([before[0] ^ 1]) + before[1:])
    try:
        yield
    finally:
        path.write_bytes(before)


def at(moment):
    """A time as Airflow's database holds it."""
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


@pytest.fixture(scope="module")
def settings(services):
    recipe(services)
    airflow, end = Airflow(services, "engineer"), time.monotonic() + LIMIT_S
    while DAG not in {dag.dag_id for dag in airflow.dags()} and time.monotonic() < end:
        time.sleep(1)
    return services


@pytest.fixture(scope="module")
def first(settings):
    """A run for the first release, asked for by somebody who reviews as well."""
    return started(settings, 1, "reviewer")


@pytest.fixture(scope="module")
def dossier(settings, first):
    return dossiers.read(dossiers.dossier_uri(first.asked(), settings), settings)


def test_who_is_not_named_cannot_answer_an_administrator_no_more_than_who_trains(first, dossier):
    for user in ("admin", "engineer", "promoter"):
        with pytest.raises(Refused, match=f"{user} may not do this"):
            first.answer(user)


def test_a_review_that_was_written_by_hand_and_handed_on_by_hand_promotes_nothing(settings, first, dossier):
    """The file where promotion looks, the XCom that leads there, and the task between marked as done."""
    forged = write_review(review_of(dossier, first.result("register")), settings)
    first.forge("record_review", forged)
    first.mark_as_success("record_review")
    assert "nobody has answered the review" in first.ended("promote")
    assert champion(NAME, settings) is None
    shutil.rmtree(forged)
    first.clear("record_review")


def test_what_airflow_answers_itself_when_the_time_is_out_is_no_approval(first):
    """Our reviews name no default; this one was given one in Airflow's database, and the scheduler uses it."""
    first.in_the_database("UPDATE hitl_detail SET defaults = '[\"Approve\"]' WHERE ti_id = :ti")
    first.in_the_database(
        "UPDATE task_instance SET trigger_timeout = ? WHERE id = :ti", at(datetime.now(UTC) - timedelta(minutes=1))
    )
    assert "Airflow answered 'Approve' itself, as when the time is out" in first.ended("record_review")
    first.in_the_database("UPDATE hitl_detail SET defaults = NULL WHERE ti_id = :ti")
    first.clear("review")


def test_who_asked_for_the_run_can_answer_and_it_counts_for_nothing(settings, first):
    first.asked()
    first.answer("reviewer")
    assert "reviewer asked for this run and may not review it" in first.ended("record_review")
    assert entries(settings) == []
    first.clear("review")


def test_a_model_that_was_overwritten_before_the_approval_is_not_promoted(settings, first, dossier):
    first.asked()
    with overwritten(Path(dossier.model.uri) / "model" / "model.safetensors"):
        first.answer("second_reviewer")
        told = first.ended("promote")
    assert "the evidence is not whole" in told
    assert "model/model.safetensors" in told
    assert (entries(settings), champion(NAME, settings)) == (["approved"], None)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("report/report.json", "report.json"),
        ("dataset/tasks/summary_check/test.jsonl", "test.jsonl is not the file its manifest names"),
        ("run/run.json", "run.json"),
    ],
)
def test_nor_is_it_when_what_was_approved_is_overwritten_afterwards(settings, first, dossier, file, message):
    artifact, name = file.split("/", 1)
    with overwritten(Path(dossier.artifacts[artifact].uri) / name):
        first.clear("promote")
        assert message in first.ended("promote")
    assert (entries(settings), champion(NAME, settings)) == (["approved"], None)


def test_nor_with_an_edited_dossier(settings, first, dossier):
    path = Path(dossiers.dossier_uri(dossier.sha256, settings)) / "dossier.json"
    with overwritten(path):
        first.clear("promote")
        assert "was changed after it was sealed" in first.ended("promote")
    assert champion(NAME, settings) is None


def test_what_was_approved_is_promoted_once_however_often_its_task_is_cleared(settings, first, dossier):
    first.clear("promote")
    assert "version 1 went out, approved by second_reviewer" in first.ended("promote")
    before = entries(settings)
    assert before == ["approved", "registered", "promoted"]
    first.clear("promote")
    assert "was promoted before, as version 1; the champion today is version 1" in first.ended("promote")
    assert (entries(settings), champion(NAME, settings).version) == (before, "1")


def test_nor_does_a_cleared_promotion_bring_an_old_champion_back(settings, first):
    held = champion(NAME, settings).folder
    new, uri = candidate(settings, NAME, run_id="between", seed=2, champion=held, accuracy=0.83)
    recipe(settings)
    assert promote.release(new, review_of(new, uri), settings) == "2"
    first.clear("promote")
    assert "was promoted before, as version 1; the champion today is version 2" in first.ended("promote")
    assert champion(NAME, settings).version == "2"


@pytest.fixture(scope="module")
def second(settings):
    """A run against the champion, asked for by who trains."""
    run = started(settings, 3, "engineer", champion=champion(NAME, settings).folder, accuracy=0.9)
    run.asked()
    return run


def test_an_old_approval_handed_to_another_run_promotes_nothing(settings, first, second):
    for task in ("register", "record_review"):
        second.forge(task, first.result(task))
    second.mark_as_success("record_review")
    assert f"{first.run_id}, not of " in second.ended("promote")
    own = second.result("freeze")
    second.forge("freeze", first.result("freeze"))
    second.clear("promote")
    # Led in all to the run that was approved, it finds that this is done.
    assert "was promoted before, as version 1; the champion today is version 2" in second.ended("promote")
    assert champion(NAME, settings).version == "2"
    second.forge("freeze", own)


def test_an_answer_about_one_dossier_is_not_recorded_for_another(settings, first, second):
    own = second.result("check_gates")
    second.clear("record_review")
    second.forge("check_gates", first.result("check_gates"))
    second.answer("reviewer")
    assert f"{first.run_id}, not of " in second.ended("record_review")
    second.forge("check_gates", own)


def test_an_approval_that_ran_out_is_not_promoted_and_clearing_the_task_does_not_renew_it(settings, second):
    then = datetime.now(UTC) - timedelta(days=7, minutes=1)
    second.in_the_database("UPDATE hitl_detail SET responded_at = ? WHERE ti_id = :ti", at(then))
    second.clear("record_review")
    told = f"the approval of {then:%Y-%m-%d} expired after 7 days; start a new run"
    assert told in second.ended("promote")
    second.clear("promote")
    assert told in second.ended("promote")
    assert champion(NAME, settings).version == "2"


def test_who_tried_what_stands_in_airflows_audit_log_and_no_try_in_the_ledger(settings, first, second):
    assert first.audit() >= {
        ("admin", "update_hitl_detail", "review"),
        ("engineer", "update_hitl_detail", "review"),
        ("reviewer", "update_hitl_detail", "review"),
        ("engineer", "create_xcom_entry", "record_review"),
        ("engineer", "patch_task_instance", "record_review"),
        ("engineer", "post_clear_task_instances", None),
    }
    assert second.audit() >= {
        ("engineer", "update_xcom_entry", "freeze"),
        ("engineer", "update_xcom_entry", "check_gates"),
        ("engineer", "patch_task_instance", "record_review"),
    }
    assert entries(settings) == ["approved", "registered", "promoted", "registered", "promoted", "approved"]
    assert audit(NAME, settings)["problems"] == []
