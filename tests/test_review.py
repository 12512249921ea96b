"""Whose answer counts, for what, how long, and that it is final."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.airflow_records import Review as Asked
from pipelines.artifact import read_json, seal, write_json
from pipelines.decision import Answer, decide
from pipelines.dossier import check_belonging, write
from pipelines.errors import Refused
from pipelines.ledger import ledger_path
from pipelines.packet import packet
from pipelines.promote import check_age, check_evidence
from pipelines.review import answered, read_packet, read_review, record_review, write_review
from pipelines.run import read_run
from pipelines.settings import read_settings
from pipelines.try_out import same_answer
from tests.evidence import RECIPE, dossier_of, finished_run

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path):
    return read_settings({"SCRIPTORIUM_HOME": str(tmp_path)})


@pytest.fixture
def dossier(settings):
    return dossier_of(settings)


def answer(dossier, **changes):
    given = {
        "option": "Approve",
        "reviewer": "reviewer",
        "reason": "reads well",
        "at": NOON,
        "asked": f"Make it the champion?\n... dossier `{dossier.sha256}` ...",
        "requester": "engineer",
    }
    return Answer(**given | changes)


def decided(dossier, **changes):
    return decide([answer(dossier, **changes)], read_run(dossier.run_uri), dossier, "models:/checker-candidates/1")


def test_an_entitled_reviewers_answer_becomes_the_review_with_name_time_and_reason(dossier):
    review = decided(dossier)
    assert (review.decision, review.reviewer, review.reason, review.decided_at) == (
        "approved",
        "reviewer",
        "reads well",
        NOON,
    )
    assert review.dossier == dossier.sha256


def test_a_refusal_is_a_decision_and_no_error(dossier):
    assert decided(dossier, option="Reject", reason="it guesses").decision == "rejected"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reviewer": "admin"}, "admin answered, but may not review"),
        ({"requester": "reviewer"}, "asked for this run"),
        ({"reason": " \n"}, "without a reason"),
        ({"asked": "Make it the champion?"}, "was not about dossier"),
        ({"option": "Approve,Reject"}, "answered with Approve or Reject"),
    ],
)
def test_an_answer_that_does_not_count_is_refused_saying_why(dossier, changes, message):
    with pytest.raises(Refused, match=message):
        decided(dossier, **changes)


def test_who_asked_for_the_run_may_not_review_it(settings):
    dossier = dossier_of(settings, requester="reviewer")
    with pytest.raises(Refused, match="another reviewer must"):
        decided(dossier)


def test_a_decision_is_final(settings, dossier):
    review = decided(dossier)
    uri = write_review(review, settings)
    assert write_review(review, settings) == uri
    assert read_review(uri, settings) == review
    with pytest.raises(Refused, match="a decision is final"):
        write_review(decided(dossier, option="Reject"), settings)
    assert read_review(uri, settings).decision == "approved"


def test_a_review_elsewhere_or_of_another_dossier_is_refused(settings, dossier, tmp_path):
    uri = Path(write_review(decided(dossier), settings))
    other = uri.with_name("f" * 64)
    uri.rename(other)
    with pytest.raises(Refused, match="about another dossier"):
        read_review(str(other), settings)
    with pytest.raises(Refused):
        read_review(str(tmp_path / "review"), settings)


def test_an_approval_expires(dossier):
    run, review = read_run(dossier.run_uri), decided(dossier)
    check_age(review, run, NOON + timedelta(days=7))
    with pytest.raises(Refused, match="expired after 7 days"):
        check_age(review, run, NOON + timedelta(days=7, seconds=1))


def test_the_approval_of_one_run_is_none_for_another(settings, dossier):
    other, _ = finished_run(settings, "manual__2")
    with pytest.raises(Refused, match=r"manual__1, not of .*manual__2"):
        check_belonging(dossier, other)


def test_a_reviewers_answer_to_one_run_is_not_recorded_for_the_dossier_of_another(settings, dossier, monkeypatch):
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(settings.home))
    monkeypatch.setenv("SCRIPTORIUM_RECIPES", str(settings.home))
    (settings.home / "checker.toml").write_text(RECIPE)
    asked, _ = finished_run(settings, "manual__2", seed=2)
    inputs = {"dossier": write(dossier, settings), "candidate": "models:/checker-candidates/1"}
    with pytest.raises(Refused, match=r"manual__1, not of .*manual__2"):
        record_review(asked, inputs)
    assert not ledger_path("checker", settings).exists()


def test_a_dossier_is_of_its_run_as_it_was_frozen(dossier):
    check_belonging(dossier, dossier.run_uri)
    values = read_json(Path(dossier.run_uri) / "run.json") | {"requested_by": "nobody"}
    write_json(Path(dossier.run_uri) / "run.json", values)
    with pytest.raises(Refused, match=r"run\.json"):
        check_belonging(dossier, dossier.run_uri)
    seal(Path(dossier.run_uri), "freeze", {"run": "manual__1"}, {})
    with pytest.raises(Refused, match="as it was frozen"):
        check_belonging(dossier, dossier.run_uri)


def test_promotion_hashes_every_byte_and_judges_the_report_anew(dossier):
    run = read_run(dossier.run_uri)
    check_evidence(dossier, run)
    generous = dossier.model_copy(update={"gates": dossier.gates[:1]})
    with pytest.raises(Refused, match="judge the report otherwise"):
        check_evidence(generous, run)
    (Path(dossier.model.uri) / "model" / "model.safetensors").write_text("weights!")
    with pytest.raises(Refused, match=r"model\.safetensors"):
        check_evidence(dossier, run)


def test_the_form_shows_what_is_sealed_and_no_other_file(settings, dossier, monkeypatch):
    """A packet beside the dossier could be edited before anybody reads it."""
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(settings.home))
    uri = write(dossier, settings)
    (Path(uri) / "packet.md").write_text("# passes everything")
    assert read_packet(uri) == packet(dossier, settings)
    with pytest.raises(Refused):
        read_packet("/etc/passwd")
    (Path(dossier.artifacts["report"].uri) / "report.json").write_text("{}")
    with pytest.raises(Refused, match=r"report\.json"):
        read_packet(uri)


def test_what_airflow_answers_itself_when_the_time_is_out_is_no_approval():
    given = {"subject": "?", "options": ["Approve"], "created_at": NOON, "response_received": True}
    by_default = Asked(**given, chosen_options=["Approve"], responded_at=NOON, responded_by_user=None)
    with pytest.raises(Refused, match="Airflow answered 'Approve' itself"):
        answered(by_default, "engineer")


def test_test_rows_that_were_swapped_after_the_approval_are_found(dossier):
    run, rows = read_run(dossier.run_uri), "tasks/summary_check/test.jsonl"
    dataset = Path(dossier.artifacts["dataset"].uri)
    (dataset / rows).write_text('{"id": "easier"}\n')
    with pytest.raises(Refused, match=r"test\.jsonl is not the file its manifest names"):
        check_evidence(dossier, run)
    seal(dataset, "dataset", {"dataset_md5": run.dataset_md5}, {})
    with pytest.raises(Refused, match="holds other test rows"):
        check_evidence(dossier, run)


def test_a_served_answer_may_differ_by_rounding_only():
    row = {"prediction": "no", "probability": 0.12}
    assert same_answer({"prediction": "no", "probability": 0.13}, row)
    assert not same_answer({"prediction": "no", "probability": 0.2}, row)
    assert not same_answer({"prediction": "no", "probability": float("nan")}, row)


def test_a_served_finder_may_put_an_answer_alike_first_but_must_find_the_evaluated_one():
    row = {"prediction": "At nine."}
    found = {
        "prediction": "At ten.",
        "answers": [{"answer": "At ten.", "score": 0.5}, {"answer": "At nine.", "score": 0.5}],
    }
    assert same_answer(found, row)
    assert not same_answer(found | {"answers": found["answers"][:1]}, row)
