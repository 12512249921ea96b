"""A real Airflow with FAB's users and roles: its API server alone, one run, and a review that waits in it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx

from pipelines.settings import ROOT, Settings
from pipelines.stack import prepare, process_environment, read_stack

START_S = 300
ADMIN = ("root", "a-long-enough-password")
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"

# Into Airflow's database with the training DAGs; prints whom the review of one names. The dag processor does as much.
PARSE = """
import json, sys
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
DagBundlesManager().sync_bundles_to_db()
bag = DagBag(sys.argv[1], bundle_name="dags-folder")
assert not bag.import_errors, bag.import_errors
sync_bag_to_db(bag, "dags-folder", None)
print(json.dumps(bag.dags[sys.argv[2]].get_task("review").assigned_users))
"""


def environment(settings: Settings) -> dict[str, str]:
    """Of every process of this Airflow; a service, and not one of the home's stack."""
    stack = read_stack(settings)
    prepare(settings, stack)
    return process_environment(stack) | {"AIRFLOW__CORE__AUTH_MANAGER": FAB}


@contextmanager
def airflow_with_roles(settings: Settings) -> Iterator[dict[str, str]]:
    """Make the database, one administrator, and serve; yields the environment, and stops the whole group at the end."""
    environ, log = environment(settings), (settings.home / "logs" / "api-server.log").open("w")
    airflow = str(Path(sys.executable).with_name("airflow"))
    person = ["--firstname=r", "--lastname=r", "--email=root@localhost", f"--username={ADMIN[0]}"]
    for command in (["db", "migrate"], ["users", "create", "--role=Admin", f"--password={ADMIN[1]}", *person]):
        subprocess.run([airflow, *command], env=environ, check=True, stdout=log, stderr=log)
    server = subprocess.Popen([airflow, "api-server"], env=environ, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait(settings, server)
        yield environ
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)
        log.close()


def _wait(settings: Settings, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(f"{settings.airflow_url}/api/v2/monitor/health", timeout=5, trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise RuntimeError(f"Airflow did not start:\n{(settings.home / 'logs' / 'api-server.log').read_text()[-2000:]}")


def load_dags(environ: dict[str, str], dag_id: str) -> list[dict[str, str]]:
    """Have Airflow know the training DAGs; returns whom the review of one names."""
    command = [sys.executable, "-c", PARSE, str(ROOT / "dags" / "train.py"), dag_id]
    done = subprocess.run(command, cwd=ROOT, env=environ, check=True, stdout=subprocess.PIPE, text=True)
    found: list[dict[str, str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def open_review(settings: Settings, run_id: str, assigned: list[dict[str, str]]) -> None:
    """Ask, as the review task does when a scheduler runs it: none runs here."""
    asked = {
        "options": json.dumps(["Approve", "Reject"]),
        "subject": "Make the new checker the champion?",
        "multiple": False,
        "params": json.dumps({"reason": {"value": None, "description": None, "schema": {"type": ["null", "string"]}}}),
        "assignees": json.dumps(assigned),
        "created_at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
        "params_input": "{}",
    }
    with sqlite3.connect(settings.home / "airflow" / "airflow.db", timeout=60) as database:
        where = "run_id = ? AND task_id = 'review'"
        database.execute(f"UPDATE task_instance SET state = 'awaiting_input' WHERE {where}", [run_id])
        columns, values = ", ".join(asked), ", ".join("?" * len(asked))
        database.execute(
            f"INSERT INTO hitl_detail (ti_id, {columns}) SELECT id, {values} FROM task_instance WHERE {where}",
            [*asked.values(), run_id],
        )
