"""Only what MLflow signed, a moment ago, is believed about its registry; on real servers it undoes what was moved."""

import json
import subprocess
import sys
import time
import uuid

import httpx
import pytest

from pipelines import ledger, registry
from pipelines.airflow_api import Airflow
from pipelines.errors import Refused, ScriptoriumError
from pipelines.settings import ROOT, read_settings
from pipelines.tracking import connect
from pipelines.webhook import DELIVERY, LIMIT_BYTES, PLACE, SENT, SIGNATURE, Message, delivery, secret_of, signature
from pipelines.webhook_in_mlflow import NAME, Webhooks

SECRET = "a secret of thirty-two characters"
NUMBER, AT = uuid.UUID("0f8fad5b-d9cb-469f-a165-70867728950e"), 1795946400
BODY = (
    b'{"entity": "model_version_alias", "action": "created", "timestamp": "2026-11-29T10:00:00+00:00", '
    b'"data": {"name": "checker", "alias": "champion", "version": "1"}}'
)
# Made by mlflow.webhooks.delivery of MLflow 3.17.2.
OF_MLFLOW = "v1,OQ9obOqBgsDD2uHhGX7vdR5on7couJu3Hg1HqfElvLc="
GOOD = {DELIVERY: str(NUMBER), SENT: str(AT), SIGNATURE: OF_MLFLOW}


def signed(body, secret, at, number=None):
    number, sent = str(number or uuid.uuid4()), str(int(at))
    return {DELIVERY: number, SENT: sent, SIGNATURE: signature(number, sent, body, secret)}


def test_what_mlflow_signed_is_believed_and_is_known_by_its_number():
    assert delivery(GOOD, BODY, SECRET, AT + 2) == NUMBER
    assert (
        str(Message.model_validate_json(BODY)) == "model_version_alias.created: name checker, alias champion, version 1"
    )


@pytest.mark.parametrize("name", GOOD)
def test_a_message_without_one_of_the_headers_is_refused_by_its_name(name):
    with pytest.raises(Refused, match=f"has no header {name}"):
        delivery(GOOD | {name: ""}, BODY, SECRET, AT)
    with pytest.raises(Refused, match=f"has no header {name}"):
        delivery({other: value for other, value in GOOD.items() if other != name}, BODY, SECRET, AT)


@pytest.mark.parametrize(
    ("headers", "body", "secret"),
    [
        (GOOD, BODY.replace(b"checker", b"chequer"), SECRET),
        (GOOD, BODY, "another secret"),
        (GOOD | {SENT: str(AT + 200)}, BODY, SECRET),
        (GOOD | {DELIVERY: str(uuid.uuid4())}, BODY, SECRET),
        (GOOD | {SIGNATURE: OF_MLFLOW.removeprefix("v1,")}, BODY, SECRET),
        (GOOD | {SIGNATURE: "v1,"}, BODY, SECRET),
        (GOOD | {SIGNATURE: "v1,\u00e9"}, BODY, SECRET),
    ],
    ids=["body", "secret", "time", "number", "no version", "no digest", "not ascii"],
)
def test_a_forged_message_is_refused_whatever_was_changed(headers, body, secret):
    with pytest.raises(Refused, match="signature is not that of the secret"):
        delivery(headers, body, secret, AT + 210)


@pytest.mark.parametrize(("now", "told"), [(AT + 301, "sent 301 s ago"), (AT - 301, "sent 301 s from now")])
def test_a_message_that_was_recorded_and_comes_later_is_refused(now, told):
    with pytest.raises(Refused, match=f"{told}, and holds for 300 s"):
        delivery(GOOD, BODY, SECRET, now)


@pytest.mark.parametrize(("number", "sent"), [("7", str(AT)), (str(NUMBER), "today")])
def test_a_number_or_a_time_that_mlflow_does_not_write_is_refused_although_it_is_signed(number, sent):
    headers = {DELIVERY: number, SENT: sent, SIGNATURE: signature(number, sent, BODY, SECRET)}
    with pytest.raises(Refused, match="is not as MLflow sends it"):
        delivery(headers, BODY, SECRET, AT)


def test_without_a_secret_nothing_is_believed(tmp_path):
    settings = read_settings({"SCRIPTORIUM_HOME": str(tmp_path)})
    with pytest.raises(ScriptoriumError, match=r"infra\.mlflow_webhooks"):
        secret_of(settings)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "mlflow-webhook.txt").write_text("\n")
    with pytest.raises(ScriptoriumError, match=r"infra\.mlflow_webhooks"):
        secret_of(settings)


@pytest.mark.parametrize(("model", "found"), [("checker-candidates", True), ("checker", False)])
def test_what_trainings_do_to_candidates_wakes_nobody(model, found):
    assert Message(entity="model_version", action="created", data={"name": model}).is_of_candidates is found


# On real MLflow and real Airflow, which `scriptorium up` has introduced to each other.
LIMIT_S = 600
MODEL = "translator"


def runs(settings):
    """The runs that a message has started, by number."""
    query = {"limit": 100, "run_id_pattern": "webhook__%", "order_by": "-run_after"}
    found = Airflow(settings, "promoter")._read("/dags/reconcile/dagRuns", query)["dag_runs"]
    return {run["dag_run_id"]: run for run in found}


def send(settings, body, headers):
    url = settings.airflow_url + PLACE
    answer = httpx.post(url, content=body, headers=headers, timeout=60, trust_env=False)
    return answer.status_code, answer.json()


def wait(for_what, why):
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        if found := for_what():
            return found
        time.sleep(1)
    pytest.fail(f"{why}, not within {LIMIT_S} s")


@pytest.fixture
def version(services):
    """A version of a promoted model that promotion did not make; no other test has to do with that recipe."""
    client = connect(services)
    registry.ensure_model(client, MODEL)
    yield client.create_model_version(MODEL, "s3://nowhere/model").version
    client.delete_registered_model(MODEL)


def undone_after(settings, version):
    """Move the champion by hand; the run that MLflow's message started, and what it said."""
    before = set(runs(settings))
    connect(settings).set_registered_model_alias(MODEL, "champion", version)
    (run_id, *_) = wait(lambda: runs(settings).keys() - before, "no message of MLflow's came")
    airflow = Airflow(settings, "promoter")
    wait(lambda: airflow.run("reconcile", run_id).state in {"success", "failed"}, f"{run_id} has not ended")
    return runs(settings)[run_id], "\n".join(airflow.log("reconcile", run_id, "reconcile", 1))


@pytest.mark.service
@pytest.mark.timeout(1500)
def test_an_alias_that_was_moved_by_hand_is_undone_because_mlflow_said_so(services, version):
    wait(lambda: not Airflow(services, "promoter").unfinished_runs("reconcile"), "a run is under way")
    undone = f"alias champion is held by version {version}, which no entry of the ledger explains; taken away"
    for _ in range(3):  # the run of every five minutes may come in between
        begun = time.monotonic()
        run, log = undone_after(services, version)
        if undone in log:
            break
    print(f"undone after {time.monotonic() - begun:.0f} s")
    assert undone in log
    assert run["triggering_user_name"] == "mlflow"
    assert run["note"] == f"model_version_alias.created: name {MODEL}, alias champion, version {version}"
    assert registry.aliases_of(MODEL, services) == {}
    assert ledger.read(ledger.ledger_path(MODEL, services))[-1].event == "undone"


@pytest.mark.service
@pytest.mark.timeout(900)
def test_forged_old_and_huge_messages_are_refused_with_a_reason_and_start_nothing(services):
    secret, now = secret_of(services), time.time()
    forged = [
        (BODY, {}, 401, "no header X-MLflow-Delivery-Id"),
        (BODY, signed(BODY, "guessed", now), 401, "signature is not that of the secret"),
        (BODY + b" ", signed(BODY, secret, now), 401, "signature is not that of the secret"),
        (BODY, signed(BODY, secret, now - 400), 401, "holds for 300 s"),
        (b"x" * (LIMIT_BYTES + 1), signed(BODY, secret, now), 413, "longer than"),
        (b"{}", signed(b"{}", secret, now), 400, "no message of MLflow's"),
    ]
    for body, headers, status, why in forged:
        answered, told = send(services, body, headers)
        assert (answered, why in told["detail"]) == (status, True), told
    assert not {f"webhook__{headers.get(DELIVERY)}" for _, headers, _, _ in forged} & set(runs(services))
    said = (services.home / "logs" / "api-server.log").read_text(encoding="utf-8", errors="replace")
    assert "is refused: its signature is not that of the secret" in said
    assert "is refused: it was sent 400 s ago" in said or "is refused: it was sent 401 s ago" in said
    assert secret not in said


@pytest.mark.service
@pytest.mark.timeout(900)
def test_a_message_that_comes_twice_starts_one_run_and_one_about_candidates_none(services):
    secret = secret_of(services)
    about = json.dumps(
        {"entity": "model_version", "action": "created", "data": {"name": "checker-candidates"}}
    ).encode()
    assert send(services, about, signed(about, secret, time.time()))[1].keys() == {"detail"}
    wait(lambda: not Airflow(services, "promoter").unfinished_runs("reconcile"), "a run is under way")
    headers = signed(BODY, secret, time.time())
    (first, told), (second, again) = send(services, BODY, headers), send(services, BODY, headers)
    assert (first, second, again["run"]) == (202, 202, told["run"])
    another = send(services, BODY, signed(BODY, secret, time.time()))[1]["run"]
    wait(lambda: not Airflow(services, "promoter").unfinished_runs("reconcile"), "the run has not ended")
    assert send(services, BODY, headers)[1]["run"] == told["run"]
    assert Airflow(services, "promoter").unfinished_runs("reconcile") == []
    assert {told["run"], another} <= set(runs(services))


@pytest.mark.service
def test_mlflow_is_told_once_whom_to_tell_and_its_example_is_heard(services):
    command = [sys.executable, "-m", "infra.mlflow_webhooks"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "example_model" in done.stdout
    assert secret_of(services) not in done.stdout
    listed = Webhooks(services)._call("GET", "", {"max_results": 100})["webhooks"]
    assert [one["url"] for one in listed if one["name"] == NAME] == [services.airflow_url + PLACE]
