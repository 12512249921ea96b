"""How many processor cores a computation takes, and how its threads wait for each other."""

from __future__ import annotations

import os


def use(threads: int) -> None:
    """Compute on `threads` cores; call it before anything imports torch.

    OpenMP's threads wait by spinning unless told otherwise. Two that share two cores with busy servers then take turns
    instead of working: measured 0.08 steps a second, and 0.41 when they sleep.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    torch.set_num_threads(threads)
