"""A step as a child process: its output is the task's log, its exit code the task's fate."""

import subprocess
import sys
from pathlib import Path

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from pipelines.errors import NothingToDo, Refused

ROOT = Path(__file__).resolve().parent.parent
FATES = {Refused.exit_code: AirflowFailException, NothingToDo.exit_code: AirflowSkipException}


def run_step(name: str, *arguments: str, **inputs: str) -> str:
    """Run `scriptorium step NAME` and return the URI that it prints last.

    A refusal fails the task for good; a step that somebody's answer made needless is skipped; anything else may be
    tried again and continues from its checkpoint.
    """
    command = [sys.executable, "-m", "pipelines.cli", "step", name, *arguments]
    command += [f"{key}={value}" for key, value in inputs.items() if value]
    lines: list[str] = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        for line in child.stdout or ():
            print(line, end="", flush=True)
            lines = [*lines[-40:], line.strip()]
    if child.returncode == 0:
        return lines[-1]
    reason = f"{name} ended with exit code {child.returncode}: {lines[-1] if lines else 'it printed nothing'}"
    raise FATES.get(child.returncode, AirflowException)(reason)
