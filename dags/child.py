"""A step as a child process: its output is the task's log, its exit code the task's fate."""

import signal
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from pipelines.errors import NothingToDo, Refused, ScriptoriumError, TryAgain

ROOT = Path(__file__).resolve().parent.parent
FATES = {Refused.exit_code: AirflowFailException, NothingToDo.exit_code: AirflowSkipException}
WORDS = tuple(f"{kind.word}: " for kind in (ScriptoriumError, Refused, NothingToDo, TryAgain))
# For lost machines and restarting services: two minutes of patience. A refusal is final at once.
RETRIES = {
    "retries": 5,
    "retry_delay": timedelta(seconds=3),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=1),
}


def run_step(name: str, run: str | None, inputs: Mapping[str, str]) -> str:
    """Run `scriptorium step NAME` and return the URI of what it made.

    A refusal fails the task for good; a step that somebody's answer made needless is skipped; anything else may be
    tried again and continues from its checkpoint.
    """
    with TemporaryDirectory() as folder:
        # A file of its own: a library may print anything, as late as the interpreter's exit.
        made = Path(folder) / "uri"
        command = [sys.executable, "-m", "pipelines.cli", "step", name, f"--uri-file={made}"]
        command += [f"--run={run}"] if run else []
        code, why = _shown([*command, *(f"{key}={value}" for key, value in inputs.items() if value)])
        if code == 0:
            return made.read_text(encoding="utf-8")
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    raise FATES.get(code, AirflowException)(f"{name} {how}: {why}")


def _shown(command: list[str]) -> tuple[int, str]:
    """Run a command with its output in the task's log; its exit code, negative for a signal, and why it ended."""
    said = deque(["it printed nothing"], maxlen=40)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8", "errors": "replace"}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as child:
        for line in child.stdout:
            print(line, end="", flush=True)
            said.append(line.strip())
    return child.returncode, next((line for line in reversed(said) if line.startswith(WORDS)), said[-1])
