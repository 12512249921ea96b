"""Ending a home's servers: first nothing new starts, then tasks write checkpoints and report, then all the rest."""

from __future__ import annotations

import time
from pathlib import Path

import psutil

from pipelines.processes import alive, children, end, of_home, terminate
from pipelines.server_state import State

TASKS_GRACE_S = 20.0
SERVERS_GRACE_S = 8.0


def end_all(home: Path, state: State | None) -> int:
    """End every process of a home; returns how many there were."""
    recorded = state.recorded if state else []
    count = len(of_home(home, recorded))
    if state:
        _end_tasks(state)
        # A server ends what it started; the triggerer waits for ever for a child that was ended without it.
        end([server for name in state.servers if (server := _process(state, name))], SERVERS_GRACE_S)
    end(of_home(home, recorded), SERVERS_GRACE_S)
    return count


def _end_tasks(state: State) -> None:
    """Stop the scheduler, then the programs that its tasks run: each task then ends as one to be tried again."""
    scheduler = _process(state, "scheduler")
    if scheduler is None or _process(state, "api-server") is None:
        return
    workers = children(scheduler)
    terminate(scheduler)
    deadline = time.monotonic() + TASKS_GRACE_S
    told: set[int] = set()
    while (tasks := [task for worker in workers for task in children(worker)]) and time.monotonic() < deadline:
        for program in [program for task in tasks for program in children(task) or [task]]:
            if program.pid not in told:
                terminate(program)
                told.add(program.pid)
        time.sleep(0.2)


def _process(state: State, name: str) -> psutil.Process | None:
    server = state.servers.get(name)
    return alive(server.process) if server and server.process else None
