"""One line every few seconds that says how far a training is, how fast, and how long it will still take.

A sentence in a terminal, JSON in a log.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

EVERY_SECONDS = 5.0


class Progress:
    """Counts from the step that this process began with, so that a resumed training tells its own speed."""

    def __init__(self, steps: int, first_step: int, first_tokens: int) -> None:
        self.steps, self.first_step, self.first_tokens = steps, first_step, first_tokens
        self.started = self.shown = time.monotonic()

    def show(self, step: int, tokens: int, loss: float) -> None:
        """Print the line, unless one was printed less than five seconds ago; the last step always."""
        now = time.monotonic()
        if now - self.shown < EVERY_SECONDS and step != self.steps:
            return
        self.shown = now
        seconds = max(now - self.started, 1e-9)
        row = {
            "step": step,
            "steps": self.steps,
            "loss": round(loss, 4),
            "tokens": tokens,
            "tokens_per_second": round((tokens - self.first_tokens) / seconds),
            "seconds_left": round(seconds / max(1, step - self.first_step) * (self.steps - step)),
        }
        print(_sentence(row) if sys.stdout.isatty() else json.dumps(row), flush=True)


def _sentence(row: dict[str, Any]) -> str:
    return (
        f"step {row['step']} of {row['steps']} ({row['step'] / row['steps']:.0%}), loss {row['loss']:.3f}, "
        f"{row['tokens_per_second']:,} tokens/s, {duration(row['seconds_left'])} left"
    )


def spoken(line: str) -> str:
    """A line of a log as a person reads it: a training's progress as a sentence, all else as it stands."""
    if not line.startswith('{"step": '):
        return line
    try:
        return _sentence(json.loads(line))
    except (ValueError, KeyError):
        return line


def shares(unit: str) -> Callable[[int, int], None]:
    """A function that says on standard error, every five seconds, how much is done of all and what is left."""
    started = shown = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown >= EVERY_SECONDS and done < total:
            shown = now
            left = duration((now - started) / done * (total - done))
            print(f"{done / total:.0%} of the {unit} read, {left} left", file=sys.stderr, flush=True)

    return show


def duration(seconds: float) -> str:
    """Seconds in words: 45 s, 2 min 5 s, 1 h 4 min."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
