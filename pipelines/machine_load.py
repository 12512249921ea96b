"""What the machine did while a training ran, as MLflow measures it; kept with the timings, no part of the content."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipelines.quiet import quiet
from pipelines.rows import lines, parse

FILE = "machine.jsonl"
EVERY_S = 10.0


@contextmanager
def measured(folder: Path, every: float = EVERY_S) -> Iterator[None]:
    """Meanwhile, add a row to a file of the folder every few seconds and at the end, from a thread of its own."""
    # Not in the thread: two threads that import at once may find each other's modules half made.
    monitors, ended = _monitors(), threading.Event()
    thread = threading.Thread(target=_measure, args=(folder / FILE, monitors, every, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """What was measured in all tries of a training: `time` in milliseconds since 1970, and MLflow's names and units."""
    path = folder / FILE
    found = [parse(line) for _, line in lines(path)] if path.is_file() else []
    # A full disk may have cut a line; nobody trains again for that.
    return [row for row in found if isinstance(row, dict)]


def _measure(path: Path, monitors: list[Any], every: float, ended: threading.Event) -> None:
    """Whatever fails here ends the measuring and not the training, which will itself say that the disk is full."""
    try:
        _row(monitors)  # the share of processor time is that since the last look
        is_over = False
        while not is_over:
            is_over = ended.wait(every)
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(_row(monitors)) + "\n")
    except Exception as error:  # noqa: BLE001 - of psutil's and of each monitor's kind
        print(f"the machine is not measured any more: {type(error).__name__}: {error}", flush=True)


def _row(monitors: list[Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"time": round(time.time() * 1000)}
    for monitor in monitors:
        monitor.collect_metrics()
        row |= monitor.aggregate_metrics()
        monitor.clear_metrics()
    return row


def _monitors() -> list[Any]:
    quiet()
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
    from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

    monitors = []
    for kind in (CPUMonitor, DiskMonitor, NetworkMonitor, GPUMonitor):
        # No library for it, no GPU, no network or no /proc: what is not there is not measured.
        with suppress(ImportError, RuntimeError, AttributeError, OSError):
            monitors.append(kind())
    return monitors
