"""The supervisor starts things in order, again when they end, and leaves nothing behind."""

import os
import threading
import time

import psutil
import pytest

from pipelines.processes import of_home
from pipelines.server_state import read_state
from pipelines.settings import read_settings
from pipelines.stack import MARK, Server, Stack
from pipelines.supervisor import Supervisor

SLEEP = ("python", "-c", "import time; time.sleep(60)")


@pytest.fixture
def supervise(tmp_path):
    """A supervisor in a thread; it ends all children of this process, so that no test here may be a `service` one."""
    running = []

    def run(*servers):
        settings = read_settings({"SCRIPTORIUM_HOME": str(tmp_path)})
        (tmp_path / "logs").mkdir(exist_ok=True)
        stack = Stack(servers=servers, environment={MARK: str(tmp_path)}, users={}, digest="d")
        supervisor = Supervisor(settings, stack)
        thread = threading.Thread(target=supervisor.run)
        thread.start()
        running.append((supervisor, thread))
        return lambda: read_state(settings)

    yield run
    for supervisor, thread in running:
        supervisor.stop()
        thread.join(30)


def until(condition, limit_s=15):
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def test_a_server_that_is_killed_is_started_again(supervise):
    state = supervise(Server(name="one", command=SLEEP))
    first = until(lambda: (s := state()) and s.servers["one"].process)
    os.kill(first.pid, 9)
    second = until(lambda: (p := state().servers["one"].process) and p.pid != first.pid and p)
    assert psutil.pid_exists(second.pid)
    assert state().servers["one"].restarts == 1


def test_servers_wait_for_what_must_be_made_before(supervise, tmp_path):
    making = f"import pathlib, time; time.sleep(0.5); pathlib.Path({str(tmp_path / 'db')!r}).touch()"
    state = supervise(
        Server(name="database", command=("python", "-c", making), makes=str(tmp_path / "db")),
        Server(name="one", command=SLEEP, after="database"),
    )
    until(lambda: (s := state()) and s.servers["one"].process)
    assert state().servers["database"].done


def test_what_was_made_before_is_not_made_again(supervise, tmp_path):
    count = f"open({str(tmp_path / 'count')!r}, 'a').write('x'); open({str(tmp_path / 'db')!r}, 'a')"
    server = Server(name="database", command=("python", "-c", count), makes=str(tmp_path / "db"))
    first = supervise(server)
    until(lambda: (s := first()) and s.servers["database"].done)
    second = supervise(server)
    until(lambda: (s := second()) and s.servers["database"].done)
    assert (tmp_path / "count").read_text() == "x"


def test_a_half_made_database_is_set_aside(supervise, tmp_path):
    (tmp_path / "db").write_text("half")
    state = supervise(
        Server(
            name="database",
            command=("python", "-c", f"open({str(tmp_path / 'db')!r}, 'x')"),
            makes=str(tmp_path / "db"),
        )
    )
    until(lambda: (s := state()) and s.servers["database"].done)
    assert (tmp_path / "db.unfinished").read_text() == "half"


def test_what_cannot_be_made_ends_it_all_and_is_named(supervise, tmp_path):
    state = supervise(
        Server(name="database", command=("python", "-c", "raise SystemExit(3)"), makes=str(tmp_path / "db")),
        Server(name="one", command=SLEEP),
    )
    until(lambda: (s := state()) and s.failed == "database")
    until(lambda: of_home(tmp_path) == [])


def test_a_server_that_ends_at_once_is_given_ever_more_time(supervise):
    state = supervise(Server(name="one", command=("python", "-c", "")))
    time.sleep(4)
    assert 1 <= state().servers["one"].restarts <= 3
