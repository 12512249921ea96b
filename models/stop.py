"""How a training is asked to stop: a signal sets a flag, the training saves a checkpoint and raises Stopped."""

from __future__ import annotations

import signal
from threading import Event
from types import FrameType

requested = Event()


class Stopped(Exception):
    """The training saved a checkpoint because it was asked to stop; the next try continues from it."""


def stop_on_signals() -> None:
    """Let SIGTERM and SIGINT ask a training to stop at its next step; a second one ends it at once."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _request)


def _request(number: int, _frame: FrameType | None) -> None:
    requested.set()
    signal.signal(number, signal.SIG_DFL)


def check(doing: str) -> None:
    """Raise Stopped when a stop was requested; for work that is short enough to begin again."""
    if requested.is_set():
        raise Stopped(f"stopped while {doing}; the next try begins that again")
