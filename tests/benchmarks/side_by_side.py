"""Pieces of a benchmark in several processes at once, each on one thread."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager, redirect_stdout
from itertools import islice
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import TypeVar

from models.stop import Stopped

Work = TypeVar("Work")
Result = TypeVar("Result")

# A thread that waits for others by spinning would take the core of the process beside it.
ALONE = {"SCRIPTORIUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def done(function: Callable[[Work], Result], work: Iterable[Work], processes: int) -> Iterator[tuple[Work, Result]]:
    """Each piece of work with what the function made of it, in the order in which they end; so many at a time.

    SIGTERM reaches the processes too. Raises Stopped after their trainings have saved a checkpoint.
    """
    left = iter(work)
    with _pool(processes) as pool:
        running: dict[Future[Result], Work] = {}
        while True:
            running |= {pool.submit(function, one): one for one in islice(left, processes - len(running))}
            if not running:
                return
            ended = next(iter(wait(running, return_when=FIRST_COMPLETED).done))
            yield running.pop(ended), ended.result()


@contextmanager
def _pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    environment = dict(os.environ)
    os.environ.update(ALONE)
    before = {number: signal.signal(number, _stop) for number in (signal.SIGTERM, signal.SIGINT)}
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(processes, context, initializer=_end_with_parent) as pool:
            yield pool
    finally:
        os.environ.clear()
        os.environ.update(environment)
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, _: FrameType | None) -> None:
    # A terminal sends SIGINT to all processes by itself, and a second signal would end them without a checkpoint.
    if number == signal.SIGTERM:
        for child in multiprocessing.active_children():
            child.terminate()
    raise Stopped("what was being trained has its checkpoint")


def _end_with_parent() -> None:
    """Have this process asked to end when its parent is gone, however that ended."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent:
            parent.join()
        while True:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)  # enough for a checkpoint; the next one ends what waits for more work

    Thread(target=watch, daemon=True).start()


@contextmanager
def printed_to(log: Path) -> Iterator[None]:
    """Within, what is printed goes to the end of a file: the progress of several trainings at once cannot be read."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8", buffering=1) as file, redirect_stdout(file):
        yield
