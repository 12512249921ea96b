"""Ways round promotion, tried on a real MLflow with users: by whom trains, by whom reviews, by a stranger."""

import json
import os
import stat
import subprocess
import sys

import httpx
import pytest

from pipelines import promote, registry
from pipelines.audit import audit
from pipelines.champion import champion, load
from pipelines.errors import Refused
from pipelines.identity import assume, file_of
from pipelines.reconcile import reconcile
from pipelines.settings import ROOT, read_settings
from pipelines.tracking import connect
from tests.mlflow_server import mlflow_server
from tests.promotions import candidate, review_of, write_recipe

pytestmark = pytest.mark.service

NAME, ADMIN = "guarded", ("admin", "a-long-enough-password")


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """MLflow with users, as infra/mlflow_auth.ini sets it up."""
    folder = tmp_path_factory.mktemp("mlflow-with-users")
    ini = (ROOT / "infra" / "mlflow_auth.ini").read_text()
    (folder / "auth.ini").write_text(ini.replace("sqlite:///", f"sqlite:///{folder}/"))
    first_start = {
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "of this test alone",
        "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN[1],
    }
    with mlflow_server(folder, "--app-name", "basic-auth", **first_start) as address:
        yield address


@pytest.fixture(scope="module")
def settings(url, tmp_path_factory):
    """A home with one recipe and the passwords of the three; this process is one of them after `assume`."""
    home = tmp_path_factory.mktemp("home")
    (home / "recipes").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "SCRIPTORIUM_HOME": home,
            "SCRIPTORIUM_RECIPES": home / "recipes",
            "SCRIPTORIUM_MLFLOW_URL": url,
            "SCRIPTORIUM_IDENTITIES": home / "identities",
            "MLFLOW_TRACKING_USERNAME": ADMIN[0],
            "MLFLOW_TRACKING_PASSWORD": ADMIN[1],
        }.items():
            patch.setenv(name, str(value))
        write_recipe(read_settings(), NAME)
        yield read_settings()


def grant_all(settings, code=0):
    """Run the script as the administrator; what it prints."""
    admin = {"MLFLOW_TRACKING_USERNAME": ADMIN[0], "MLFLOW_TRACKING_PASSWORD": ADMIN[1]}
    command = [sys.executable, "-m", "infra.mlflow_identities"]
    result = subprocess.run(command, cwd=ROOT, env=os.environ | admin, capture_output=True, text=True)
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout + result.stderr


def rest(settings, identity, method, path, **values):
    """What MLflow answers an identity."""
    told = json.loads(file_of(identity, settings.identities).read_text())
    auth = (told["username"], told["password"])
    return httpx.request(method, settings.mlflow_url + path, auth=auth, trust_env=False, timeout=60, **values)


@pytest.fixture(scope="module")
def released(settings):
    """A champion: made a candidate by the trainer, promoted by the promoter."""
    told = grant_all(settings)
    assert "promoted        READ            MANAGE          READ" in told
    assume("trainer", settings)
    dossier, uri = candidate(settings, NAME)
    assume("promoter", settings)
    version = promote.release(dossier, review_of(dossier, uri), settings)
    assert version == "1"
    assert reconcile(settings) == []
    return dossier, uri


def test_each_does_their_work_and_the_set_up_may_be_run_again(settings, released):
    again = grant_all(settings)
    assert "TAKE AWAY" not in again
    for identity in ("trainer", "promoter", "reviewer"):
        assert stat.S_IMODE(file_of(identity, settings.identities).stat().st_mode) == 0o600
    assume("reviewer", settings)
    assert audit(NAME, settings)["problems"] == []
    with load(NAME, "1", settings) as model:
        assert model.metadata is not None


ATTACKS = {
    "register straight into the production model": lambda client, dossier: client.create_model_version(
        NAME, client.get_model_version(f"{NAME}-candidates", "1").source, await_creation_for=0
    ),
    "copy the candidate into it": lambda client, dossier: client.copy_model_version(
        f"models:/{NAME}-candidates/1", NAME
    ),
    "move champion": lambda client, dossier: client.set_registered_model_alias(NAME, "champion", "1"),
    "set an alias that looks like it": lambda client, dossier: client.set_registered_model_alias(NAME, "Champion", "1"),
    "take champion away": lambda client, dossier: client.delete_registered_model_alias(NAME, "champion"),
    "move a stage": lambda client, dossier: client.transition_model_version_stage(NAME, "1", "Production"),
    "delete the champion's version": lambda client, dossier: client.delete_model_version(NAME, "1"),
    "delete the model": lambda client, dossier: client.delete_registered_model(NAME),
    "rename the model": lambda client, dossier: client.rename_registered_model(NAME, "theirs"),
    "forge the ledger's hash": lambda client, dossier: client.set_registered_model_tag(NAME, "ledger_head", "0" * 64),
    "forge a version's tag": lambda client, dossier: client.set_model_version_tag(NAME, "1", "dossier", "0" * 64),
    "log into the promoted files": lambda client, dossier: client.create_run(
        client.get_experiment_by_name(f"{NAME}-production").experiment_id
    ),
    "have MLflow tell others": lambda client, dossier: client.create_webhook(
        "theirs", "https://192.0.2.1", ["model_version_alias.created"]
    ),
    "have MLflow tell nobody": lambda client, dossier: client.update_webhook("of whatever number", status="DISABLED"),
    "delete the promoted files' experiment": lambda client, dossier: client.delete_experiment(
        client.get_experiment_by_name(f"{NAME}-production").experiment_id
    ),
}


@pytest.mark.parametrize("who", ["trainer", "reviewer"])
@pytest.mark.parametrize("what", ATTACKS)
def test_whoever_is_not_the_promoter_is_refused(settings, released, who, what):
    from mlflow.exceptions import MlflowException

    assume(who, settings)
    with pytest.raises(MlflowException, match=r"Permission denied|may not|not yet support"):
        ATTACKS[what](connect(settings), released[0])
    assert registry.aliases_of(NAME, settings) == {"champion": "1"}
    assert champion(NAME, settings).version == "1"


def test_the_trainer_cannot_overwrite_a_promoted_file_nor_give_itself_the_right(settings, released):
    assume("promoter", settings)
    client = connect(settings)
    experiment = client.get_experiment_by_name(f"{NAME}-production").experiment_id
    model = client.get_model_version(NAME, "1").source.removeprefix("models:/")
    place = f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/models/{model}/artifacts/MLmodel"
    assert rest(settings, "trainer", "GET", place).status_code == 200
    users = "/api/2.0/mlflow/users"
    itself = {"username": "trainer", "resource_type": "registered_model", "resource_id": NAME, "permission": "MANAGE"}
    its_own = {"username": "promoter", "password": "the-trainer-knows-it"}
    for answer in (
        rest(settings, "trainer", "PUT", place, content=b"theirs"),
        rest(settings, "trainer", "DELETE", place),
        rest(settings, "trainer", "POST", "/api/3.0/mlflow/users/permissions/grant", json=itself),
        rest(settings, "trainer", "PATCH", f"{users}/update-admin", json={"username": "trainer", "is_admin": True}),
        rest(settings, "trainer", "PATCH", f"{users}/update-password", json=its_own),
    ):
        assert (answer.status_code, answer.text) == (403, "Permission denied")
    with load(NAME, "1", settings):
        pass


def test_what_the_trainer_makes_of_the_candidate_after_the_approval_goes_nowhere(settings, released):
    """The candidate's files stay the trainer's; what is promoted are other bytes, in another place."""
    assume("trainer", settings)
    client = connect(settings)
    source = client.get_model_version(f"{NAME}-candidates", "1").source
    client.log_model_artifact(source.removeprefix("models:/"), __file__)
    with load(NAME, "1", settings):
        pass


def test_nobody_without_a_password_sees_anything(settings, released):
    place = "/api/2.0/mlflow/registered-models/get"
    assert httpx.get(settings.mlflow_url + place, params={"name": NAME}, trust_env=False).status_code == 401


def test_a_machine_without_the_promoters_password_promotes_nothing(settings, released, tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIPTORIUM_IDENTITIES", str(tmp_path))
    command = [sys.executable, "-m", "pipelines.cli", "step", "promote", "--run=r", "candidate=c", "review=r"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 10
    assert "nothing on this machine may be the promoter before MLflow" in result.stderr
    file_of("promoter", tmp_path).write_text('{"username": "promoter", "password": "open"}')
    with pytest.raises(Refused, match="others can read"):
        assume("promoter", read_settings())


def test_somebody_who_made_the_model_of_a_new_recipe_first_is_found(settings, released):
    told = {"username": "eve", "password": "eves-own-password"}
    with httpx.Client(base_url=settings.mlflow_url, trust_env=False, timeout=60) as client:
        client.post("/api/2.0/mlflow/users/create", json=told, auth=ADMIN).raise_for_status()
        client.post(
            "/api/2.0/mlflow/registered-models/create", json={"name": "tomorrows"}, auth=tuple(told.values())
        ).raise_for_status()
    write_recipe(settings, "tomorrows")
    assert "TAKE AWAY: eve has MANAGE on registered_model tomorrows (promoted)" in grant_all(settings, code=1)
