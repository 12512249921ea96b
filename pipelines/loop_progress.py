"""How far a loop is, and how long the rest will take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO


def progress(unit: str, every: float = 5.0, to: TextIO | None = None) -> Callable[[int, int], None]:
    """A function that prints how far a loop is and how long the rest will take, at most every few seconds."""
    start = told = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= every and done < total:
            told = now
            print(
                f"  {done / total:.0%} of the {unit}, {(now - start) / done * (total - done):.0f} s left",
                file=to,
                flush=True,
            )

    return tell
