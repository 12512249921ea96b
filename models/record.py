"""What a training did so far, and how its epochs are judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]
# Takes each row of the curve and of the epochs when it is written, those before a checkpoint first.
Watch = Callable[[Row], None]


@dataclass(frozen=True)
class Validation:
    """How each epoch's end is judged. `measure` gives numbers of the model, `better` says which of two wins."""

    measure: Callable[[Any], dict[str, float]]
    metric: str
    higher_is_better: bool
    patience: int = 0  # epochs without a better value after which to stop; 0 never stops


@dataclass
class Record:
    """What a training did so far; a part of each checkpoint, so that a resumed one writes the same curve."""

    curve: list[Row] = field(default_factory=list)
    epochs: list[Row] = field(default_factory=list)
    best_epoch: int = 0
    losses: list[float] = field(default_factory=list)  # since the last row of the curve
    epoch_losses: list[float] = field(default_factory=list)
    tokens: int = 0
    bf16: bool = False
    parts: int = 1  # in which each batch is learned from, since memory ran out
