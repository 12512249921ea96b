"""One line every few seconds about reading or writing many bytes: how much, of how much, and how long it will take."""

from __future__ import annotations

import time

from models.progress import EVERY_SECONDS, duration


class BytesProgress:
    """Counts bytes; what is quicker than five seconds prints nothing."""

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total, self.done = what, total, 0
        self.started = self.shown = time.monotonic()

    def add(self, count: int) -> None:
        """Count bytes, and print a line unless one was printed less than five seconds ago."""
        self.done += count
        now = time.monotonic()
        if now - self.shown < EVERY_SECONDS:
            return
        self.shown = now
        left = (now - self.started) / max(1, self.done) * max(0, self.total - self.done)
        share = min(1.0, self.done / max(1, self.total))
        print(
            f"{self.what}: {share:.0%} ({self.done / 1e6:,.0f} of {self.total / 1e6:,.0f} MB), {duration(left)} left",
            flush=True,
        )
