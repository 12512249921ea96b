"""How far a training is, how fast, and how long it will still take.

A bar at the foot of a terminal; in a log, a line of JSON every few seconds.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

EVERY_SECONDS = 5.0


class Progress:
    """Counts from the step that this process began with, so that a resumed training tells its own speed."""

    def __init__(self, steps: int, first_step: int, first_tokens: int) -> None:
        self.steps, self.first_step, self.first_tokens = steps, first_step, first_tokens
        self.started = self.shown = time.monotonic()
        self.bars = Bars() if sys.stdout.isatty() else None

    def show(self, step: int, tokens: int, loss: float) -> None:
        """Move the bar; in a log, print the line, unless one came in the last five seconds; the last step always."""
        now = time.monotonic()
        if self.bars is None and now - self.shown < EVERY_SECONDS and step != self.steps:
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
        if self.bars:
            self.bars.show("", row)
        else:
            print(json.dumps(row), flush=True)

    def close(self) -> None:
        """Give the terminal back, the bar as it stands left on it."""
        if self.bars:
            self.bars.close()


class Bars:
    """Bars at the foot of the terminal, one for each training that goes on; what is printed meanwhile goes above."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress

        texts = ("{task.description}", "{task.completed} of {task.total}", "{task.fields[said]}")
        name, steps, said = (TextColumn(text, markup=False) for text in texts)
        self._bars = RichProgress(name, BarColumn(20), steps, said, console=Console(highlight=False))
        self._tasks: dict[str, Any] = {}

    def show(self, name: str, row: Mapping[str, Any]) -> None:
        """Move the bar of a training to a row of `Progress`; the first one draws it."""
        if name not in self._tasks:
            self._bars.start()
            self._tasks[name] = self._bars.add_task(name, said="")
        self._bars.update(self._tasks[name], completed=row["step"], total=row["steps"], said=_pace(row))

    def remove(self, name: str) -> None:
        """Take a bar away, if there is one; with the last, the foot of the terminal is given back."""
        if name in self._tasks:
            self._bars.remove_task(self._tasks.pop(name))
            if not self._tasks:
                self._bars.stop()

    def close(self) -> None:
        """Draw no more."""
        self._bars.stop()


def _sentence(row: Mapping[str, Any]) -> str:
    return f"step {row['step']} of {row['steps']} ({row['step'] / row['steps']:.0%}), {_pace(row)}"


def _pace(row: Mapping[str, Any]) -> str:
    left = duration(row["seconds_left"])
    return f"loss {row['loss']:.3f}, {row['tokens_per_second']:,} tokens/s, {left} left"


def told(line: str) -> dict[str, Any] | None:
    """What a line of a log says of a training's progress; None for every other line."""
    if not line.startswith('{"step": '):
        return None
    try:
        row = json.loads(line)
        _sentence(row)
    except (ValueError, KeyError):
        return None
    return dict(row)


def spoken(line: str) -> str:
    """A line of a log as a person reads it: a training's progress as a sentence, all else as it stands."""
    row = told(line)
    return _sentence(row) if row else line


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
