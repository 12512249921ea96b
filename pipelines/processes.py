"""Processes and ports of this machine: which are ours, how to end them, who holds a port."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict

from pipelines.errors import ScriptoriumError
from pipelines.stack import MARK

# Two readings of one process's start may differ by rounding; a reused pid starts later by far more.
SAME_START_S = 0.5


class Known(BaseModel):
    """A process that we started: a pid alone may belong to another by now."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> Known:
        return cls(pid=pid, created=psutil.Process(pid).create_time())


def alive(known: Known) -> psutil.Process | None:
    """The process if it still is the one that was recorded, else None."""
    try:
        process = psutil.Process(known.pid)
        same = abs(process.create_time() - known.created) < SAME_START_S
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None


def of_home(home: Path, recorded: Iterable[Known] = ()) -> list[psutil.Process]:
    """Every process that a home's servers consist of or have started, orphans included; never this one."""
    roots = [p for p in map(alive, recorded) if p] + [p for p in psutil.process_iter() if _mark(p) == str(home)]
    found = {p.pid: p for root in roots for p in [root, *children(root, recursive=True)]}
    for own in [psutil.Process(), *psutil.Process().parents()]:
        found.pop(own.pid, None)
    return list(found.values())


def _mark(process: psutil.Process) -> str | None:
    try:
        return None if process.status() == psutil.STATUS_ZOMBIE else process.environ().get(MARK)
    except (psutil.Error, OSError):
        return None


def children(process: psutil.Process, *, recursive: bool = False) -> list[psutil.Process]:
    """The children of a process; none when it has ended."""
    try:
        return process.children(recursive=recursive)
    except psutil.Error:
        return []


def terminate(process: psutil.Process) -> None:
    """Ask a process to end; one that has ended already is no error."""
    with suppress(psutil.NoSuchProcess):
        process.terminate()


def end(processes: list[psutil.Process], grace_s: float) -> None:
    """Ask processes to end, and kill those that have not after `grace_s` seconds."""
    for process in processes:
        terminate(process)
    _, stubborn = psutil.wait_procs(processes, timeout=grace_s)
    for process in stubborn:
        _kill(process)
    psutil.wait_procs(stubborn, timeout=5)


def end_idle(group: int) -> bool:
    """Kill the members of an orphaned process group that have no children; whether any member is left.

    Airflow's workers outlive their scheduler: an idle one for ever, a busy one until its task has ended.
    """
    members = [p for p in psutil.process_iter() if _group(p) == group]
    idle = [p for p in members if not children(p)]
    for process in idle:
        _kill(process)
    return len(members) > len(idle)


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()


def _group(process: psutil.Process) -> int | None:
    try:
        return None if process.status() == psutil.STATUS_ZOMBIE else os.getpgid(process.pid)
    except (psutil.Error, OSError):
        return None


def require_free(ports: dict[str, int]) -> None:
    """Raise ScriptoriumError for the first port that is taken, naming its holder and the variable that changes it."""
    for variable, port in ports.items():
        with socket.socket() as probe:
            # What servers do too: connections of an earlier life that linger in TIME_WAIT do not hold the port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise ScriptoriumError(
                    f"port {port} on 127.0.0.1 is taken{_holder(port)}; set {variable} to a free one"
                ) from None


def _holder(port: int) -> str:
    for connection in psutil.net_connections(kind="tcp"):
        listens = connection.status == psutil.CONN_LISTEN and connection.pid
        if listens and getattr(connection.laddr, "port", None) == port:
            return f" (by pid {connection.pid} {psutil.Process(connection.pid).name()})"
    return ""
