"""OPTIMIZERS: how weights follow their gradients, by the name that a recipe uses. All are torch's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily

Groups = list[dict[str, Any]]


def adamw(groups: Groups, rate: float) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019), in one kernel: a third of the time."""
    return torch.optim.AdamW(groups, lr=rate, fused=True)


def sgd(groups: Groups, rate: float) -> torch.optim.Optimizer:
    """Stochastic gradient descent with momentum: half of the state of Adam, and a much higher rate."""
    return torch.optim.SGD(groups, lr=rate, momentum=0.9, fused=True)


def adafactor(groups: Groups, rate: float) -> torch.optim.Optimizer:
    """Adam with factored second moments (Shazeer and Stern 2018): next to no state.

    The rate is relative to the size of each weight matrix.
    """
    return torch.optim.Adafactor(groups, lr=rate)


OPTIMIZERS: dict[str, Callable[[Groups, float], torch.optim.Optimizer]] = {
    "adamw": adamw,
    "sgd": sgd,
    "adafactor": adafactor,
}
