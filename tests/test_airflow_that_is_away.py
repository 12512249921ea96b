"""Without Airflow, the message says how to get it."""

import pytest

from pipelines.airflow_api import Airflow
from pipelines.errors import Refused, ScriptoriumError
from pipelines.settings import read_settings


@pytest.fixture
def settings(tmp_path, free_port):
    return read_settings({"SCRIPTORIUM_HOME": str(tmp_path), "SCRIPTORIUM_AIRFLOW_PORT": str(free_port())})


def test_services_that_were_never_started_are_named(settings):
    with pytest.raises(ScriptoriumError, match=r"no passwords in .*; start the services: scriptorium up"):
        Airflow(settings, "engineer").trigger("train__x", {})


def test_a_server_that_does_not_answer_is_named_with_its_address(settings):
    settings.passwords.parent.mkdir()
    settings.passwords.write_text('{"engineer": "x"}')
    with pytest.raises(ScriptoriumError, match=rf"does not answer on {settings.airflow_url} .*scriptorium up"):
        Airflow(settings, "engineer", patience_s=0).dags()


def test_an_unknown_user_is_refused_with_those_that_are_known(settings):
    settings.passwords.parent.mkdir()
    settings.passwords.write_text('{"engineer": "x", "reviewer": "y"}')
    with pytest.raises(Refused, match="no user 'boss'; known: engineer, reviewer"):
        Airflow(settings, "boss").dags()
