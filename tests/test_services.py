"""Real Airflow and MLflow: healthy, on loopback only, back after a kill, gone after `down`."""

import os
import sqlite3
import threading
import time

import httpx
import psutil
import pytest

from pipelines import services as stack
from pipelines.airflow_api import Airflow
from pipelines.doctor import checks
from pipelines.errors import Refused, ScriptoriumError
from pipelines.processes import of_home
from pipelines.server_state import read_state

pytestmark = [pytest.mark.service, pytest.mark.timeout(900)]


def pids(settings):
    return {name: server.process.pid for name, server in read_state(settings).servers.items() if server.process}


def test_everything_is_healthy_and_has_the_dags(services):
    assert [row for row in stack.status(services) if not row.healthy] == []
    assert any(dag.dag_id.startswith("train__") for dag in Airflow(services, "promoter").dags())
    assert httpx.get(f"{services.mlflow_url}/health").is_success


def test_nothing_listens_beyond_loopback(services):
    ours = {process.pid for process in of_home(services.home)}
    listening = [c for c in psutil.net_connections("inet") if c.status == psutil.CONN_LISTEN and c.pid in ours]
    assert {c.laddr.ip for c in listening} == {"127.0.0.1"}
    assert {c.laddr.port for c in listening} == {services.airflow_port, services.mlflow_port}


def test_starting_twice_is_starting_once(services):
    before = pids(services)
    stack.up(services)
    assert pids(services) == before


def test_other_settings_ask_for_a_restart(services, monkeypatch):
    monkeypatch.setenv("SCRIPTORIUM_THREADS", "1")
    from pipelines.settings import read_settings

    if read_settings() == services:
        pytest.skip("one core")
    with pytest.raises(ScriptoriumError, match=r"other settings .* scriptorium down"):
        stack.up(read_settings())


def test_a_value_that_the_form_refuses_is_told_plainly(services):
    [dag] = [d for d in Airflow(services, "engineer").dags() if d.dag_id == "train__summary_checker"]
    with pytest.raises(Refused, match=r"^Invalid input for param epochs: 0 is less than the minimum of 1$"):
        Airflow(services, "engineer").trigger(dag.dag_id, {"epochs": 0})


def test_a_viewer_may_not_start_a_run(services):
    with pytest.raises(Refused, match="promoter may not do this"):
        Airflow(services, "promoter").trigger("train__summary_checker", {})


def test_an_unknown_dag_is_told_plainly(services):
    with pytest.raises(ScriptoriumError, match="train__nothing"):
        Airflow(services, "engineer").trigger("train__nothing", {})


def test_a_database_in_which_another_process_writes_is_asked_again(services):
    airflow = Airflow(services, "admin", patience_s=0)
    [dag] = [d for d in airflow.dags() if d.dag_id == "train__summary_checker"]
    change = ("PATCH", f"/dags/{dag.dag_id}", {"is_paused": False})
    writer = sqlite3.connect(services.home / "airflow" / "airflow.db", timeout=60, check_same_thread=False)
    writer.execute("BEGIN IMMEDIATE")
    # Airflow itself waits for 5 s.
    end = threading.Timer(8, writer.rollback)
    end.start()
    try:
        with pytest.raises(ScriptoriumError, match=r"500: Database error; see HOME/logs/api-server\.log"):
            airflow._send(*change)
        assert Airflow(services, "admin", patience_s=60)._send(*change)["dag_id"] == dag.dag_id
    finally:
        end.join()
        writer.close()


def test_the_doctor_finds_them_well(services):
    found = {check.name: check for check in checks(services)}
    assert found["services"].ok, found["services"].detail
    assert found["secrets"].ok
    assert found["packages"].ok, found["packages"].detail


def test_killed_servers_come_back(services):
    before = pids(services)
    killed = {"dag-processor", "mlflow"}  # tests/test_main_job.py kills the others in the midst of a run
    for name in killed:
        os.kill(before[name], 9)
    time.sleep(1)
    said = []
    stack.up(services, said.append)
    after = pids(services)
    assert {name for name in before if before[name] != after[name]} == killed
    assert [line for line in said if "does not tell" in line] == [], "MLflow cannot read its webhooks any more"
    assert [row for row in stack.status(services) if not row.healthy] == []


def test_after_a_killed_supervisor_the_next_start_begins_afresh(services):
    left = {process.pid for process in of_home(services.home)}
    os.kill(read_state(services).supervisor.pid, 9)
    time.sleep(1)
    assert any(not row.healthy for row in stack.status(services))
    said = []
    stack.up(services, said.append)
    assert any("left behind" in line for line in said)
    assert not left & {process.pid for process in of_home(services.home)}
