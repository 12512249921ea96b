"""Only processes of this very home are ended, however they were orphaned; a taken port is named."""

import os
import socket
import subprocess
import sys
import time

import psutil
import pytest

from pipelines.errors import ScriptoriumError
from pipelines.processes import Known, alive, end, end_idle, of_home, require_free
from pipelines.settings import ROOT
from pipelines.stack import MARK

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(60)",
]


@pytest.fixture
def start():
    started = []

    def run(command=SLEEP, **environ):
        process = subprocess.Popen(command, env=os.environ | environ, stdout=subprocess.PIPE, start_new_session=True)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_process_recorded_by_pid_and_start_is_found_and_ended(start, tmp_path):
    process = start()
    known = Known.of(process.pid)
    assert [p.pid for p in of_home(tmp_path, [known])] == [process.pid]
    end(of_home(tmp_path, [known]), 5)
    assert alive(known) is None


def test_a_reused_pid_is_somebody_elses(start, tmp_path):
    process = start()
    earlier = Known(pid=process.pid, created=psutil.Process(process.pid).create_time() - 60)
    assert alive(earlier) is None
    assert of_home(tmp_path, [earlier]) == []


def test_an_orphan_is_known_by_its_mark(start, tmp_path):
    marked = start(**{MARK: str(tmp_path)})
    start(**{MARK: str(tmp_path / "another")})
    start()
    assert [p.pid for p in of_home(tmp_path)] == [marked.pid]


def test_the_caller_is_never_among_them(tmp_path, monkeypatch):
    code = f"from pathlib import Path; from pipelines.processes import of_home; print(of_home(Path({str(tmp_path)!r})))"
    environ = os.environ | {MARK: str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert result.stdout.strip() == "[]"


def test_one_that_does_not_listen_is_killed(start):
    process = start(STUBBORN)
    process.stdout.readline()
    stubborn = psutil.Process(process.pid)
    end([stubborn], 0.3)
    assert not stubborn.is_running()


def test_of_an_orphaned_group_only_those_without_children_end(start):
    busy = start(["sh", "-c", "sleep 60 & wait"])
    time.sleep(0.3)
    [child] = psutil.Process(busy.pid).children()
    assert end_idle(busy.pid)
    assert psutil.wait_procs([child], timeout=5)[1] == []
    assert busy.wait(5) == 0


def test_a_taken_port_is_named_with_its_holder_and_its_variable():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        words = (
            rf"port {port} on 127.0.0.1 is taken \(by pid {os.getpid()} .*\); set SCRIPTORIUM_AIRFLOW_PORT to a free"
        )
        with pytest.raises(ScriptoriumError, match=words):
            require_free({"SCRIPTORIUM_AIRFLOW_PORT": port})


def test_a_port_that_was_just_left_is_free():
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        server.accept()[0].close()
    client.close()
    require_free({"SCRIPTORIUM_AIRFLOW_PORT": port})
