"""Airflow and MLflow on this machine: start them, say how they are, stop them. All of it may be done twice."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psutil

from pipelines import health
from pipelines.errors import ScriptoriumError
from pipelines.locks import lock
from pipelines.processes import alive, children, of_home, require_free, terminate
from pipelines.recipe_file import load_recipe, require_readable
from pipelines.reviewers import require_reviewers
from pipelines.server_state import ServerState, State, log_of, read_state, state_file
from pipelines.settings import ROOT, Settings
from pipelines.shutdown import SERVERS_GRACE_S, TASKS_GRACE_S, end_all
from pipelines.stack import Stack, ports, prepare, process_environment, read_stack
from pipelines.webhook_in_mlflow import Webhooks

# 40 s are enough on two idle cores; beside two trainings it took minutes. What crashes is noticed sooner.
START_LIMIT_S = 600.0
POLL_S = 0.5
# A server that ends this often while we wait for it will not come up by waiting longer.
RESTARTS_GIVEN_UP = 3
TAIL_LINES = 25
MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Row:
    """One line of `scriptorium status`; `where` is a page, or the log of a server that has none."""

    name: str
    healthy: bool
    state: str
    pid: int | None
    since: str | None
    restarts: int
    memory_mb: int
    where: str


def running(settings: Settings) -> State | None:
    """What the supervisor last wrote, if it still lives."""
    state = read_state(settings)
    return state if state and alive(state.supervisor) else None


def up(settings: Settings, say: Callable[[str], None] = print) -> None:
    """Start everything that is not running, and return when all of it is healthy.

    Raises Refused for a recipe that cannot be read or that nobody can review, and ScriptoriumError with the end of the
    log of what does not come up, or with a DAG file's import error.
    """
    require_readable(settings.recipes)
    require_reviewers(map(load_recipe, sorted(settings.recipes.glob("*.toml"))), settings)
    stack = read_stack(settings)
    if not stack.servers:
        say(f"Airflow ({settings.airflow_url}) and MLflow ({settings.mlflow_url}) run elsewhere; nothing to start")
        return
    with lock(settings.locks / "services", "another process is starting or stopping the services"):
        state = running(settings)
        if state and state.digest != stack.digest:
            raise ScriptoriumError(
                "the services run with other settings than today's; stop them first: scriptorium down"
            )
        if state is None:
            _start(settings, stack, say)
        _wait_until_healthy(settings, stack, say)
        if {server.part for server in stack.servers} == {"mlflow", "airflow"}:
            _introduce(settings, say)


def down(settings: Settings, say: Callable[[str], None] = print) -> None:
    """Stop everything that belongs to this home, running tasks included; they continue from their checkpoints."""
    with lock(settings.locks / "services", "another process is starting or stopping the services"):
        state = read_state(settings)
        count = len(of_home(settings.home, state.recorded if state else []))
        if state and (supervisor := alive(state.supervisor)):
            say("stopping the services; running tasks write their checkpoints first")
            terminate(supervisor)
            _wait_for_end(lambda: alive(state.supervisor) is not None, TASKS_GRACE_S + 3 * SERVERS_GRACE_S)
        end_all(settings.home, state)
        state_file(settings).unlink(missing_ok=True)
    say(f"stopped {count} processes" if count else "nothing was running")


def status(settings: Settings) -> list[Row]:
    """One row for each server: whether it runs, whether it answers, what it uses."""
    stack, state = read_stack(settings), running(settings)
    waiting = _waiting(settings, stack, state) if state else {}
    rows = [_row(settings, s.name, state, waiting) for s in stack.servers if not s.makes]
    elsewhere = {"airflow": health.airflow_answers, "mlflow": health.mlflow_answers}
    for part in elsewhere.keys() - {server.part for server in stack.servers}:
        answers = elsewhere[part](settings)
        state_text = "runs elsewhere" if answers else "runs elsewhere, does not answer"
        url = settings.mlflow_url if part == "mlflow" else settings.airflow_url
        rows.append(Row(part, answers, state_text, None, None, 0, 0, url))
    return rows


def _start(settings: Settings, stack: Stack, say: Callable[[str], None]) -> None:
    if left := end_all(settings.home, read_state(settings)):
        say(f"ended {left} processes that an earlier start had left behind")
    state_file(settings).unlink(missing_ok=True)
    require_free(ports(settings))
    first = not (settings.home / "airflow" / "airflow.db").exists()
    prepare(settings, stack)
    say("starting Airflow and MLflow" + (" (the first time takes longest)" if first else ""))
    with log_of(settings, "supervisor").open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", "pipelines.supervisor"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env=process_environment(stack),
            start_new_session=True,
        )
    _wait_for_end(lambda: running(settings) is None, 30)


def _introduce(settings: Settings, say: Callable[[str], None]) -> None:
    """Have MLflow tell Airflow of changes in its registry. Without it they are seen within five minutes, no sooner."""
    try:
        Webhooks(settings).ensure()
    except ScriptoriumError as error:
        say(f"  MLflow does not tell Airflow of changes in its registry; it is looked at every five minutes. {error}")


def _wait_for_end(condition: Callable[[], bool], limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    while condition() and time.monotonic() < deadline:
        time.sleep(0.1)


def _wait_until_healthy(settings: Settings, stack: Stack, say: Callable[[str], None]) -> None:
    start = time.monotonic()
    said: set[str] = set()
    while True:
        state = read_state(settings)
        if state is None or state.failed or not alive(state.supervisor):
            name = (state.failed if state else None) or "supervisor"
            raise _not_up(settings, name, f"{name} has ended before its time")
        waiting = health.unready(settings, stack, state)
        for name in [s.name for s in stack.servers if s.name not in {*waiting, *said}]:
            say(f"  {name:16s} ready after {time.monotonic() - start:4.1f} s")
            said.add(name)
        if not waiting:
            return
        _give_up_if_hopeless(settings, state, waiting, time.monotonic() - start)
        time.sleep(POLL_S)


def _give_up_if_hopeless(settings: Settings, state: State, waiting: dict[str, str], waited_s: float) -> None:
    for name, why in waiting.items():
        if state.servers[name].restarts >= RESTARTS_GIVEN_UP:
            raise _not_up(settings, name, f"{name} ends again and again")
        if waited_s > START_LIMIT_S:
            raise _not_up(settings, name, f"{name} is not ready after {waited_s:.0f} s: {why}")


def _not_up(settings: Settings, name: str, why: str) -> ScriptoriumError:
    log = log_of(settings, name)
    tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:] if log.exists() else []
    cure = "`scriptorium doctor` looks for the cause; `scriptorium down` stops what runs"
    return ScriptoriumError("\n".join([f"{why}; {cure}. The end of {log}:", *(f"  {line}" for line in tail)]))


def _waiting(settings: Settings, stack: Stack, state: State) -> dict[str, str]:
    try:
        return health.unready(settings, stack, state)
    except ScriptoriumError as error:
        return {"dag-processor": str(error).splitlines()[0]}


def _row(settings: Settings, name: str, state: State | None, waiting: dict[str, str]) -> Row:
    server = state.servers[name] if state else ServerState(process=None, started=None, restarts=0, done=False)
    process = alive(server.process) if server.process else None
    pages = {"mlflow": settings.mlflow_url, "api-server": settings.airflow_url}
    text = "stopped" if state is None else waiting.get(name, "healthy")
    return Row(
        name=name,
        healthy=text == "healthy" and process is not None,
        state=text,
        pid=process.pid if process else None,
        since=server.started.isoformat(timespec="seconds") if server.started else None,
        restarts=server.restarts,
        memory_mb=_memory(process) if process else 0,
        where=pages.get(name) or str(log_of(settings, name)),
    )


def _memory(process: psutil.Process) -> int:
    """Megabytes of a server and what it has started, shared pages counted once (PSS)."""
    total = 0
    for one in [process, *children(process, recursive=True)]:
        with suppress(psutil.Error):
            total += one.memory_full_info().pss
    return round(total / MEGABYTE)
