"""How a training is asked to stop: a signal sets a flag, the training saves a checkpoint and raises Stopped."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType
from typing import Any

requested = Event()


class Stopped(Exception):
    """The training saved a checkpoint because it was asked to stop; the next try continues from it."""


@contextmanager
def on_signals() -> Iterator[None]:
    """Within, SIGTERM and SIGINT ask the training to stop at its next step, and a second one ends the process.

    Outside there is no checkpoint to write, so the first one ends the process, as it does with any other.
    """
    before = {number: signal.signal(number, _request) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _request(number: int, _frame: FrameType | None) -> None:
    requested.set()
    signal.signal(number, signal.SIG_DFL)


def check(doing: str) -> None:
    """Raise Stopped when a stop was requested; for work that is short enough to begin again."""
    if requested.is_set():
        raise Stopped(f"stopped while {doing}; the next try begins that again")


def between_tokens(tokens: Any, _scores: Any, **_: Any) -> Any:
    """For `generate` of transformers, a criterion that ends no text, but raises Stopped when a stop was requested."""
    check("writing texts")
    return tokens[:, 0] < 0
