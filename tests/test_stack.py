"""What `scriptorium up` would start: on loopback only, with secrets that nobody else can read."""

import configparser
import json
import stat

import pytest
from cryptography.fernet import Fernet

from pipelines.settings import read_settings
from pipelines.stack import ports, prepare, process_environment, read_stack
from pipelines.webhook import secret_of


@pytest.fixture
def settings(tmp_path):
    return read_settings({"SCRIPTORIUM_HOME": str(tmp_path / "100% home"), "SCRIPTORIUM_AIRFLOW_PORT": "18080"})


@pytest.fixture
def airflow_cfg(settings):
    prepare(settings, read_stack(settings))
    parser = configparser.ConfigParser()
    parser.read(settings.home / "airflow" / "airflow.cfg")
    return parser


def test_airflow_gets_this_homes_folders_ports_and_users(settings, airflow_cfg):
    assert airflow_cfg["database"]["sql_alchemy_conn"] == f"sqlite:///{settings.home}/airflow/airflow.db"
    assert airflow_cfg["api"]["base_url"] == "http://127.0.0.1:18080"
    assert airflow_cfg["core"]["execution_api_server_url"] == "http://127.0.0.1:18080/execution/"
    assert "reviewer:user" in airflow_cfg["core"]["simple_auth_manager_users"]
    assert airflow_cfg["scheduler"]["task_instance_heartbeat_timeout"] == "120"


def test_every_server_is_bound_to_loopback(settings, airflow_cfg):
    commands = {server.name: server.command for server in read_stack(settings).servers}
    assert airflow_cfg["api"]["host"] == "127.0.0.1"
    assert commands["mlflow"][commands["mlflow"].index("--host") + 1] == "127.0.0.1"
    assert all("--skip-serve-logs" in commands[name] for name in ("scheduler", "triggerer"))


def test_secrets_are_for_the_owner_only_and_stay_the_same(settings, airflow_cfg):
    named = ("secrets/keys.json", "secrets/mlflow-webhook.txt", "mlflow/mlflow.env", "airflow/airflow.cfg")
    private = [settings.passwords, *(settings.home / name for name in named)]
    before = [path.read_text() for path in private]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in private)
    prepare(settings, read_stack(settings))
    assert [path.read_text() for path in private] == before
    Fernet(airflow_cfg["core"]["fernet_key"])
    assert len(airflow_cfg["api_auth"]["jwt_secret"]) >= 64


def test_no_secret_is_in_an_argument_or_in_the_environment(settings, airflow_cfg):
    stack = read_stack(settings)
    keys = json.loads((settings.home / "secrets" / "keys.json").read_text())
    words = json.dumps([process_environment(stack), [server.command for server in stack.servers]])
    webhook = [secret_of(settings), (settings.home / "mlflow" / "mlflow.env").read_text().partition("=")[2].strip()]
    known = [*keys.values(), *json.loads(settings.passwords.read_text()).values(), *webhook]
    assert len(webhook[1]) == 44
    assert not any(secret in words for secret in known)


def test_a_new_user_gets_a_password_and_the_others_keep_theirs(settings):
    stack = read_stack(settings)
    prepare(settings, stack)
    before = json.loads(settings.passwords.read_text())
    prepare(settings, stack.model_copy(update={"users": stack.users | {"second_reviewer": "user"}}))
    after = json.loads(settings.passwords.read_text())
    assert {name: after[name] for name in before} == before
    assert len(after["second_reviewer"]) >= 16


def test_settings_of_another_airflow_or_mlflow_are_not_inherited(settings):
    environ = {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "MLFLOW_TRACKING_URI": "https://elsewhere",
        "LANG": "C.UTF-8",
    }
    found = process_environment(read_stack(settings), environ)
    assert "AIRFLOW__CORE__EXECUTOR" not in found
    assert found["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:5000"
    assert found["LANG"] == "C.UTF-8"


def test_servers_and_tasks_reach_each_other_past_a_proxy(settings):
    environ = {"HTTP_PROXY": "http://proxy.example:3128", "no_proxy": "intranet.example"}
    found = process_environment(read_stack(settings), environ)
    assert found["HTTP_PROXY"] == "http://proxy.example:3128"
    assert found["NO_PROXY"] == found["no_proxy"] == "intranet.example,127.0.0.1,localhost,::1"


def test_what_somebody_else_runs_is_not_started(tmp_path):
    environ = {"SCRIPTORIUM_HOME": str(tmp_path), "SCRIPTORIUM_MLFLOW_URL": "https://mlflow.example"}
    settings = read_settings(environ)
    assert "mlflow" not in {server.name for server in read_stack(settings).servers}
    assert ports(settings) == {"SCRIPTORIUM_AIRFLOW_PORT": 8080}


def test_other_settings_are_another_stack(settings, tmp_path):
    other = read_settings({"SCRIPTORIUM_HOME": str(settings.home), "SCRIPTORIUM_AIRFLOW_PORT": "18081"})
    assert read_stack(other).digest != read_stack(settings).digest == read_stack(settings).digest
