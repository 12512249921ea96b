"""How much memory a piece of work took at its highest, above what the process held before it (Linux)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def _held(name: str) -> float:
    """A line of the process' status (VmRSS, VmHWM), in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name))) / 1024


@contextmanager
def grown() -> Iterator[Callable[[], float]]:
    """Give a function that says how many MB the resident size grew by, at its highest."""
    # Linux forgets the highest value when 5 is written here (proc(5)).
    Path("/proc/self/clear_refs").write_text("5")
    before = _held("VmRSS")
    yield lambda: _held("VmHWM") - before
