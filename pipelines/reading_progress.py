"""How far the reading of some files is, and how long the rest will take."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from models.progress import EVERY_SECONDS, duration


class ReadingProgress:
    """Counts bytes of files; says so every five seconds, and nothing at all of what takes less."""

    def __init__(self, paths: Sequence[Path], say: Callable[[str], None]) -> None:
        self.total = sum(path.stat().st_size for path in paths)
        self.say = say
        self.done = 0
        self.started = self.said = time.monotonic()

    def show(self, name: str, share: float, size: int, rows: int) -> None:
        """Say how far it is: `share` of a file of `size` bytes is read, and all before it."""
        now = time.monotonic()
        done = (self.done + share * size) / max(1, self.total)
        if now - self.said >= EVERY_SECONDS and 0 < done < 1:
            self.said = now
            left = (now - self.started) / done * (1 - done)
            self.say(f"{name}: {rows:,} rows, {done:.0%} read, {duration(left)} left")

    def finish(self, size: int) -> None:
        """A file of `size` bytes is read."""
        self.done += size
