"""The one process that keeps a home's servers alive: `python -m pipelines.supervisor`, started by `scriptorium up`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.artifact import sha256_file, write_json
from pipelines.processes import Known, end_idle
from pipelines.server_state import ServerState, State, log_of, state_file
from pipelines.settings import ROOT, Settings, read_settings
from pipelines.shutdown import end_all
from pipelines.stack import Server, Stack, process_environment, read_stack

POLL_S = 0.2
# A server that lived this long is started again at once when it ends; for others the wait doubles each time.
STEADY_S = 60.0
LONGEST_WAIT_S = 30.0


@dataclass
class Kept:
    """One server while it is kept alive."""

    server: Server
    process: subprocess.Popen[bytes] | None = None
    known: Known | None = None
    started: datetime | None = None
    restarts: int = 0
    wait_s: float = 0.5
    not_before: float = 0.0
    done: bool = False
    orphaned_groups: set[int] = field(default_factory=set)


class Supervisor:
    """Starts each server when its turn has come, again when it ends, and ends them all at the end."""

    def __init__(self, settings: Settings, stack: Stack) -> None:
        self.settings, self.stack = settings, stack
        self.kept = {server.name: Kept(server) for server in stack.servers}
        self.failed: str | None = None
        self.stopping = False

    def run(self) -> None:
        """Supervise until SIGTERM, or until something that the others need could not be made."""
        try:
            for kept in self.kept.values():
                kept.done = bool(kept.server.makes) and is_made(kept.server)
            self.write_state()
            while not self.stopping and not self.failed:
                changed = [self.look_after(kept) for kept in self.kept.values()]
                if any(changed):
                    self.write_state()
                time.sleep(POLL_S)
            self.write_state()
        finally:
            end_all(self.settings.home, self.state())
            say("stopped")

    def stop(self, *_: Any) -> None:
        self.stopping = True

    def look_after(self, kept: Kept) -> bool:
        """Start or restart one server if need be; whether anything changed."""
        kept.orphaned_groups = {group for group in kept.orphaned_groups if end_idle(group)}
        if kept.done or (kept.process and kept.process.poll() is None):
            return False
        if kept.process:
            self.ended(kept, kept.process)
            return True
        after = kept.server.after
        if time.monotonic() < kept.not_before or (after and not self.kept[after].done):
            return False
        self.start(kept)
        return True

    def start(self, kept: Kept) -> None:
        command = [str(Path(sys.executable).parent / kept.server.command[0]), *kept.server.command[1:]]
        with log_of(self.settings, kept.server.name).open("ab") as log:
            kept.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.settings.home,
                env=process_environment(self.stack),
                start_new_session=True,
            )
        kept.known, kept.started = Known.of(kept.process.pid), datetime.now(UTC)
        say(f"{kept.server.name}: started, pid {kept.process.pid}")

    def ended(self, kept: Kept, process: subprocess.Popen[bytes]) -> None:
        kept.process = kept.known = None
        if kept.server.makes:
            self.made(kept, process.returncode)
            return
        lived = (datetime.now(UTC) - (kept.started or datetime.now(UTC))).total_seconds()
        kept.wait_s = 0.5 if lived > STEADY_S else min(kept.wait_s * 2, LONGEST_WAIT_S)
        kept.not_before = time.monotonic() + kept.wait_s
        kept.restarts += 1
        kept.orphaned_groups.add(process.pid)
        how = f"ended after {lived:.0f} s with exit code {process.returncode}"
        say(f"{kept.server.name}: {how}; starting it again in {kept.wait_s:.1f} s")

    def made(self, kept: Kept, code: int) -> None:
        name = kept.server.name
        if code:
            self.failed = name
        else:
            stamp_of(kept.server).write_text(sha256_file(ROOT / "requirements.lock"), encoding="ascii")
            kept.done = True
        say(f"{name}: ended with exit code {code}" if code else f"{name}: done")

    def write_state(self) -> None:
        write_json(state_file(self.settings), self.state().model_dump(mode="json"))

    def state(self) -> State:
        servers = {
            name: ServerState(process=kept.known, started=kept.started, restarts=kept.restarts, done=kept.done)
            for name, kept in self.kept.items()
        }
        return State(supervisor=Known.of(os.getpid()), digest=self.stack.digest, servers=servers, failed=self.failed)


def stamp_of(server: Server) -> Path:
    return Path(f"{server.makes}.made-by")


def is_made(server: Server) -> bool:
    """Whether these very packages made it. What was left unfinished is set aside, to be made from the beginning."""
    made, stamp = Path(server.makes or ""), stamp_of(server)
    if made.exists() and not stamp.exists():
        made.replace(f"{made}.unfinished")
    return made.exists() and stamp.read_text() == sha256_file(ROOT / "requirements.lock")


def say(text: str) -> None:
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}  {text}", flush=True)


def main() -> None:
    """Supervise the servers of SCRIPTORIUM_HOME in the foreground."""
    settings = read_settings()
    supervisor = Supervisor(settings, read_stack(settings))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, supervisor.stop)
    supervisor.run()


if __name__ == "__main__":
    main()
