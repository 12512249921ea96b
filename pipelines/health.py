"""Whether the servers answer: their own health endpoints, and whether Airflow has the DAGs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx

from pipelines.airflow_api import Airflow
from pipelines.airflow_records import ImportFailure
from pipelines.errors import Refused, ScriptoriumError
from pipelines.server_state import State
from pipelines.settings import Settings
from pipelines.stack import Stack

# Airflow's word for each of its servers, in its health report.
COMPONENTS = {
    "api-server": ("metadatabase", None),
    "scheduler": ("scheduler", "latest_scheduler_heartbeat"),
    "dag-processor": ("dag_processor", "latest_dag_processor_heartbeat"),
    "triggerer": ("triggerer", "latest_triggerer_heartbeat"),
}
READER = "promoter"


def unready(settings: Settings, stack: Stack, state: State) -> dict[str, str]:
    """What is not ready, by the server's name: a word or two on why. Empty when all is well."""
    waiting = {s.name: "not done" for s in stack.servers if s.makes and not state.servers[s.name].done}
    running = [s for s in stack.servers if not s.makes]
    waiting |= {s.name: "not running" for s in running if state.servers[s.name].process is None}
    names = {server.name for server in running} - set(waiting)
    report = _get(f"{settings.airflow_url}/api/v2/monitor/health") if names & set(COMPONENTS) else {}
    for name in names:
        if why := _mlflow(settings) if name == "mlflow" else _component(report, name, state.servers[name].started):
            waiting[name] = why
    if not waiting and "dag-processor" in names:
        waiting |= _dags(settings, state.servers["dag-processor"].started)
    return waiting


def airflow_answers(settings: Settings) -> bool:
    """Whether some Airflow is there and has its database."""
    return _component(_get(f"{settings.airflow_url}/api/v2/monitor/health"), "api-server", None) is None


def mlflow_answers(settings: Settings) -> bool:
    """Whether some MLflow is there."""
    return _mlflow(settings) is None


def _get(url: str) -> dict[str, Any] | None:
    try:
        answer = httpx.get(url, timeout=10, trust_env=False)
        return dict(answer.json()) if answer.is_success else None
    except (httpx.TransportError, ValueError):
        return None


def _mlflow(settings: Settings) -> str | None:
    try:
        answer = httpx.get(f"{settings.mlflow_url}/health", timeout=10, trust_env=False)
    except httpx.TransportError:
        return "does not answer yet"
    return None if answer.is_success else f"answers {answer.status_code}"


def _component(report: dict[str, Any] | None, name: str, started: datetime | None) -> str | None:
    """Why a part of Airflow is not ready, from its report; a heartbeat of an earlier life does not count."""
    if not report:
        return "does not answer yet" if name == "api-server" else "waits for the api-server"
    component, heartbeat = COMPONENTS[name]
    about = report.get(component) or {}
    if about.get("status") != "healthy":
        return str(about.get("status") or "no heartbeat yet")
    beat = about.get(heartbeat) if heartbeat else None
    return "no heartbeat yet" if beat and started and datetime.fromisoformat(beat) < started else None


def _told(failure: ImportFailure) -> str:
    """Why a DAG file cannot be imported: a refused recipe in its own words, anything else with its traceback."""
    _, refused, reason = failure.stack_trace.strip().rpartition(f"{Refused.__module__}.{Refused.__name__}: ")
    return reason if refused else f"{failure.filename} cannot be imported by Airflow:\n{reason}"


def _dags(settings: Settings, started: datetime | None) -> dict[str, str]:
    """Whether the DAG files were parsed since the start; one that cannot be imported raises ScriptoriumError."""
    airflow = Airflow(settings, READER)
    for failure in airflow.import_failures():
        if started is None or failure.timestamp >= started:
            raise ScriptoriumError(_told(failure))
    if not any(settings.recipes.glob("*.toml")):
        return {}
    parsed = [dag.last_parsed_time for dag in airflow.dags() if dag.last_parsed_time]
    if not parsed or (started and max(parsed) < started):
        return {"dag-processor": "has not read the DAGs yet"}
    return {}
