"""Airflow's REST API, as one of its users: start and follow runs, read and answer the review."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

import httpx

from pipelines.airflow_records import Dag, DagRun, ImportFailure, Pending, Review, Task
from pipelines.errors import Refused, ScriptoriumError
from pipelines.settings import Settings

TIMEOUT_S = 30.0
POLL_S = 1.0
PAGE = "/review"  # of dags/plugins/review_page.py
ACTIVE = ("queued", "running")
PRINTED = ("task.stdout", "task.stderr")
LOUD = ("warning", "error", "critical")


class Airflow:
    """A client that acts as `user`, whose password `scriptorium up` keeps in HOME/secrets.

    A server that is away is asked again for `patience_s` seconds; one that was killed is back within half a minute.
    """

    def __init__(self, settings: Settings, user: str, patience_s: float = 5.0) -> None:
        self.user, self._patience_s = user, patience_s
        self._url, self._passwords = settings.airflow_url, settings.passwords
        self._client = httpx.Client(base_url=settings.airflow_url, timeout=TIMEOUT_S, trust_env=False)
        self._token: str | None = None

    def trigger(self, dag_id: str, conf: Mapping[str, Any], run_id: str | None = None) -> str:
        """Start a run with values of its form, and return its id. Raises Refused for a value that the form refuses."""
        body = {"logical_date": None, "conf": dict(conf), "dag_run_id": run_id}
        return DagRun.model_validate(self._send("POST", f"/dags/{dag_id}/dagRuns", body)).run_id

    def unfinished_runs(self, dag_id: str) -> list[DagRun]:
        """The runs that have not ended: running ones, then queued ones, each oldest first."""
        query = {"state": list(ACTIVE), "order_by": "run_after", "limit": 100}
        runs = [DagRun.model_validate(run) for run in self._read(f"/dags/{dag_id}/dagRuns", query)["dag_runs"]]
        return sorted(runs, key=lambda run: run.state == "queued")

    def run(self, dag_id: str, run_id: str) -> DagRun:
        """One run, as it stands."""
        return DagRun.model_validate(self._read(f"/dags/{dag_id}/dagRuns/{run_id}"))

    def tasks(self, dag_id: str, run_id: str) -> list[Task]:
        """The tasks of a run in the order in which they started; those still to come are last."""
        found = self._read(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", {"limit": 100})["task_instances"]
        tasks = [Task.model_validate(t) for t in found]
        return sorted(tasks, key=lambda task: (task.start_date is None, task.start_date))

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int) -> list[str]:
        """The lines that one try of a task has written so far; none when it has not begun."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}"
        content = self._read(path, {"full_content": True, "map_index": -1})["content"]
        return [line for entry in content for line in _lines(entry)]

    def result(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """What a task that succeeded returned. Whoever may edit XComs can forge it: fit to be shown, not to decide."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        return self._read(path)["value"]

    def review(self, dag_id: str, run_id: str, task_id: str = "review") -> Review:
        """What the review asks, and the answer that Airflow recorded; never the state of its task."""
        return Review.model_validate(self._read(_review_path(dag_id, run_id, task_id)))

    def reviews(self, dag_id: str, run_id: str) -> dict[str, Review]:
        """What each task of a run that asks somebody asks, and the answer that Airflow recorded; by the task's name."""
        found = self._read(f"/dags/{dag_id}/dagRuns/{run_id}/hitlDetails", {"limit": 100})["hitl_details"]
        return {one["task_instance"]["task_id"]: Review.model_validate(one) for one in found}

    def pending(self) -> list[Pending]:
        """What waits for an answer, in all runs of all DAGs."""
        query = {"response_received": False, "state": "awaiting_input", "limit": 100}
        found = self._read("/dags/~/dagRuns/~/hitlDetails", query)["hitl_details"]
        return [Pending.model_validate(one) for one in found]

    def answer(self, dag_id: str, run_id: str, option: str, reason: str, task_id: str = "review") -> None:
        """Answer a review. Raises Refused for somebody who is not its reviewer, and for a second answer."""
        body = {"chosen_options": [option], "params_input": {"reason": reason}}
        self._send("PATCH", _review_path(dag_id, run_id, task_id), body)

    def blind_examples(self, dag_id: str, seal: str) -> list[dict[str, Any]]:
        """The examples of a review side by side, without whose answer is whose, and what this user said of each."""
        found: list[dict[str, Any]] = self._send("GET", f"/{dag_id}/{seal}/examples", below=PAGE)
        return found

    def judge(self, dag_id: str, seal: str, number: int, choice: str) -> None:
        """Keep what this user says of one example. Raises Refused for who may not, and after the decision."""
        self._send("PUT", f"/{dag_id}/{seal}/examples/{number}", {"choice": choice}, below=PAGE)

    def dags(self) -> list[Dag]:
        """The DAGs of the DAG folder, except those that are no longer in it."""
        found = self._read("/dags", {"limit": 100})["dags"]
        return [dag for dag in map(Dag.model_validate, found) if not dag.is_stale]

    def asset_event(self, name: str, extra: Mapping[str, Any]) -> None:
        """Record an event of an asset, which starts the DAGs that wait for it."""
        found = self._read("/assets", {"name_pattern": name, "limit": 100})["assets"]
        known = [asset["id"] for asset in found if asset["name"] == name]
        if not known:
            raise ScriptoriumError(
                f"Airflow knows no asset {name!r}; `scriptorium status` shows whether DAGs are loaded"
            )
        self._send("POST", "/assets/events", {"asset_id": known[0], "extra": dict(extra)})

    def import_failures(self) -> list[ImportFailure]:
        """The DAG files that cannot be imported."""
        return [ImportFailure.model_validate(e) for e in self._read("/importErrors")["import_errors"]]

    def _read(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        return self._send("GET", path, query=query)

    def _send(
        self, method: str, path: str, body: Any = None, query: Mapping[str, Any] | None = None, below: str = "/api/v2"
    ) -> Any:
        answer = self._request(method, below + path, body, query)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            # A token lives for a day, and dies with the secrets that signed it.
            self._token = None
            answer = self._request(method, below + path, body, query)
        deadline = time.monotonic() + self._patience_s
        while _was_locked_out(answer) and time.monotonic() < deadline:
            time.sleep(POLL_S)
            answer = self._request(method, below + path, body, query)
        if answer.is_error:
            raise _explained(answer, f"{method} {path}", self.user)
        return answer.json()

    def _request(self, method: str, path: str, body: Any, query: Mapping[str, Any] | None) -> httpx.Response:
        self._token = self._token or self._log_in()
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        return self._call(method, path, json=body, params=query, headers=headers)

    def _log_in(self) -> str:
        answer = self._call("POST", "/auth/token", json={"username": self.user, "password": self._password()})
        if answer.is_error:
            cure = f"is it the Airflow whose passwords are in {self._passwords}?"
            raise Refused(f"Airflow on {self._url} does not accept {self.user}'s password; {cure}")
        return str(answer.json()["access_token"])

    def _password(self) -> str:
        try:
            known = json.loads(self._passwords.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ScriptoriumError(
                f"no passwords in {self._passwords} yet; start the services: scriptorium up"
            ) from None
        if self.user not in known:
            raise Refused(f"Airflow knows no user {self.user!r}; known: {', '.join(sorted(known))}")
        return str(known[self.user])

    def _call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Send a request; again while nobody answers, unless it may have arrived and changed something."""
        deadline, said = time.monotonic() + self._patience_s, False
        while True:
            try:
                return self._client.request(method, path, **arguments)
            except httpx.TransportError as error:
                may_repeat = method == "GET" or isinstance(error, httpx.ConnectError)
                if not may_repeat or time.monotonic() > deadline:
                    why = error or type(error).__name__
                    raise ScriptoriumError(
                        f"Airflow does not answer on {self._url} ({why}); start it: scriptorium up"
                    ) from None
            if not said:
                print(f"Airflow does not answer; waiting up to {self._patience_s:.0f} s for it", file=sys.stderr)
            said = True
            time.sleep(POLL_S)


def _review_path(dag_id: str, run_id: str, task_id: str) -> str:
    return f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/-1/hitlDetails"


def _lines(entry: Any) -> list[str]:
    """What the task printed, and Airflow's own warnings and errors; its book-keeping is left out."""
    if isinstance(entry, str):
        return entry.splitlines()
    text = str(entry.get("event", ""))
    if str(entry.get("logger", "")).startswith(PRINTED):
        return text.splitlines() or [""]
    raised = [f"{e.get('exc_type')}: {e.get('exc_value')}" for e in entry.get("error_detail") or []]
    return ([text, *raised] if raised else text.splitlines()) if entry.get("level") in LOUD else []


def _was_locked_out(answer: httpx.Response) -> bool:
    """Whether Airflow's database refused the request, for another process wrote; all of it was rolled back then."""
    return answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR and _detail(answer) == "Database error"


def _explained(answer: httpx.Response, what: str, user: str) -> ScriptoriumError:
    text = _detail(answer)
    match answer.status_code:
        case 400 | 422:
            return Refused(text)
        case 403:
            return Refused(f"{user} may not do this: {text}")
        case 404:
            return ScriptoriumError(
                f"Airflow does not know it: {text}; `scriptorium status` shows whether DAGs are loaded"
            )
        case 409:
            return Refused(f"this was answered or done before: {text}")
    return ScriptoriumError(f"Airflow answered {what} with {answer.status_code}: {text}; see HOME/logs/api-server.log")


def _detail(answer: httpx.Response) -> str:
    """The reason in an error, without the schema that follows it."""
    try:
        detail = answer.json().get("detail", answer.text)
    except (ValueError, AttributeError):
        detail = answer.text[:200]
    if isinstance(detail, list):
        detail = "; ".join(f"{'.'.join(map(str, e.get('loc', [])))}: {e.get('msg')}" for e in detail)
    return str(detail.get("reason", detail) if isinstance(detail, dict) else detail).split("\n\n")[0]
