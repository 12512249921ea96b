"""The step that measures what a model costs on this machine: one text at a time, many at once, and in memory."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.tasks import TASKS
from models.tasks.task import Row, Task
from pipelines.artifact import TIMINGS, Manifest, write_json
from pipelines.errors import ScriptoriumError
from pipelines.examples import by_chance, read_split
from pipelines.settings import ROOT
from pipelines.steps import Work

# Rows of the test set that are asked one at a time, and of those that are written.
TIMED, WRITTEN = 100, 20
CPUINFO = Path("/proc/cpuinfo")


def speed(work: Work) -> None:
    """Time some of the test rows; write timings.json, which is no part of the content: it differs each time."""
    task = TASKS[work.run.recipe.task]
    rows = sample(task, read_split(work, "test"))
    print(f"timing {len(rows):,} texts in a process of their own", flush=True)
    write_json(work.out / TIMINGS, measured(task, work.inputs["model"] / "model", rows, work.settings.threads))


def sample(task: Task, rows: Sequence[Row]) -> list[Row]:
    """The rows that are timed: the same ones for every model."""
    return [rows[place] for place in by_chance(rows)[: WRITTEN if task.answer == "text" else TIMED]]


def measured(task: Task, folder: Path, rows: Sequence[Row], threads: int, *, exported: bool = False) -> dict[str, Any]:
    """What the model of a folder costs (models/speed.py), and on what machine; `exported` is one of ONNX graphs.

    In a process of its own, for what this one holds in memory is not the model's.
    """
    from models import speed as apart

    machine = facts(threads)
    asked = {"folder": str(folder), "task": task.name, "rows": rows, "threads": threads, "exported": exported}
    command = [sys.executable, "-m", apart.__name__]
    done = subprocess.run(command, cwd=ROOT, input=json.dumps(asked), capture_output=True, text=True, check=False)
    if done.returncode:
        raise ScriptoriumError(f"the model of {folder} could not be timed: {done.stderr.strip()[-1000:]}")
    # Whatever a library prints stands before it.
    return {**json.loads(done.stdout.splitlines()[-1]), "machine": machine}


def size_of(manifest: Manifest) -> int:
    """The bytes of a model: its weights, and all that lies beside them."""
    return sum(entry.size for name, entry in manifest.files.items() if name.startswith("model/"))


def facts(threads: int) -> dict[str, Any]:
    """What the machine is, and how busy it was when the timing began."""
    lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines() if CPUINFO.is_file() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return {
        "processor": next(named, platform.processor() or platform.machine()),
        "cores": os.cpu_count(),
        "threads": threads,
        "load": round(os.getloadavg()[0], 2),
    }
