"""A run of a training DAG in real Airflow, and what people with edit rights there can do to it."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from pipelines.airflow_api import Airflow
from pipelines.settings import Settings

LIMIT_S, QUIET_S = 600, 3
States = Mapping[str, str | None]
ENDED = {"success", "failed", "skipped", "upstream_failed"}
UNFINISHED = {"awaiting_input", "running", "queued", "scheduled", "up_for_retry", None}


class LiveRun:
    """One run, followed and meddled with through Airflow's API."""

    def __init__(self, settings: Settings, dag_id: str, run_id: str) -> None:
        self.settings, self.dag_id, self.run_id = settings, dag_id, run_id
        self.place = f"/dags/{dag_id}/dagRuns/{run_id}"

    def until(self, ready: Callable[[States], bool]) -> States:
        """The states of the tasks, as soon as they are `ready`."""
        airflow, end, over = Airflow(self.settings, "promoter"), time.monotonic() + LIMIT_S, 0
        while time.monotonic() < end and over < LIMIT_S / 20:
            states = {task.task_id: task.state for task in airflow.tasks(self.dag_id, self.run_id)}
            if ready(states):
                return states
            over = 0 if UNFINISHED & {*states.values()} else over + 1
            time.sleep(0.5)
        pytest.fail(f"{self.run_id} is not there: {states}")

    def ended(self, task: str) -> str:
        """How a task ended, and what it said in its last try."""
        states = self.until(lambda states: states.get(task) in ENDED)
        airflow = Airflow(self.settings, "promoter")
        tries = next(one.try_number for one in airflow.tasks(self.dag_id, self.run_id) if one.task_id == task)
        return f"{states[task]}: " + "\n".join(airflow.log(self.dag_id, self.run_id, task, tries))

    def asked(self) -> str:
        """Wait until the review is open; returns the seal of the dossier that it is about."""
        self.until(lambda states: states.get("review") == "awaiting_input")
        body = Airflow(self.settings, "promoter").review(self.dag_id, self.run_id).body
        return str(re.search(rf"/review/{self.dag_id}/([0-9a-f]{{64}})", str(body))[1])

    def answer(self, user: str, option: str = "Approve", reason: str = "reads well") -> None:
        """Answer the review, and wait until that is recorded; answer again where Airflow lost it.

        To an answer within moments of the question the scheduler has yet to hear that its own process is over;
        it takes the news for that of the one that goes on ("state mismatch"), and the task asks anew.
        """
        airflow, recorded = Airflow(self.settings, user), False
        while not recorded:
            time.sleep(QUIET_S)
            airflow.answer(self.dag_id, self.run_id, option, reason)
            recorded = self.until(self._recorded_or_lost)["record_review"] in ENDED

    def _recorded_or_lost(self, states: States) -> bool:
        if states["review"] == "awaiting_input":
            return not Airflow(self.settings, "promoter").review(self.dag_id, self.run_id).response_received
        return states["record_review"] in ENDED

    def _settled(self, states: States) -> bool:
        run = Airflow(self.settings, "promoter").run(self.dag_id, self.run_id)
        return run.state in {"success", "failed"} or bool(UNFINISHED & {*states.values()})

    def clear(self, task: str, user: str = "engineer") -> None:
        """Have a task and all that follow run again.

        Not while the scheduler makes up its mind about what ran: it ends the run after all, or dies of a task whose
        row is another by now (StaleDataError), and is started anew.
        """
        self.until(self._settled)
        time.sleep(QUIET_S)
        what = {"dag_run_id": self.run_id, "task_ids": [task], "include_downstream": True, "only_failed": False}
        self.send("POST", f"/dags/{self.dag_id}/clearTaskInstances", what | {"dry_run": False}, user)

    def mark_as_success(self, task: str, user: str = "engineer") -> None:
        self.send("PATCH", f"{self.place}/taskInstances/{task}", {"new_state": "success"}, user)

    def result(self, task: str) -> Any:
        return Airflow(self.settings, "promoter").result(self.dag_id, self.run_id, task)

    def forge(self, task: str, value: str, user: str = "engineer") -> None:
        """Put another value in place of what a task handed on, or of what it never did."""
        entries, body = f"{self.place}/taskInstances/{task}/xcomEntries", {"value": value, "map_index": -1}
        known = self.send("GET", entries, user=user)["xcom_entries"]
        if any(one["key"] == "return_value" for one in known):
            self.send("PATCH", f"{entries}/return_value", body, user)
        else:
            self.send("POST", entries, {"key": "return_value", **body}, user)

    def audit(self) -> set[tuple[str, str, str]]:
        """What Airflow's audit log says of this run: who did what to which task."""
        query = {"dag_id": self.dag_id, "run_id": self.run_id, "limit": 500}
        found = Airflow(self.settings, "admin")._read("/eventLogs", query)["event_logs"]
        return {(one["owner"], one["event"], one["task_id"]) for one in found}

    def in_the_database(self, statement: str, *values: str) -> None:
        """Change Airflow's own rows, as only time, or who administers the database, can; `:ti` is the review's."""
        review = "(SELECT id FROM task_instance WHERE run_id = ? AND task_id = 'review')"
        with sqlite3.connect(self.settings.home / "airflow" / "airflow.db", timeout=60) as database:
            database.execute(statement.replace(":ti", review), [*values, self.run_id])

    def send(self, method: str, path: str, body: Any = None, user: str = "engineer") -> Any:
        return Airflow(self.settings, user)._send(method, path, body)
