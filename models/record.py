"""What a training did so far, and how its epochs are judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from models.divergence import Course, gone_on

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
    courses: dict[str, Course] = field(default_factory=dict)  # how the losses of each task go, by its number

    def __post_init__(self) -> None:
        """Courses come from a checkpoint as lists."""
        self.courses = {task: Course(*course) for task, course in self.courses.items()}

    def note(self, loss: float, task: str, number: int, run: int) -> Course:
        """Note the loss of a batch, number `number` of the plan, and give the course of its task's losses."""
        self.losses.append(loss)
        self.epoch_losses.append(loss)
        self.courses[task] = gone_on(self.courses.get(task), loss, number, run)
        return self.courses[task]

    def is_best(self, measured: dict[str, float], validation: Validation) -> bool:
        """Whether an epoch that measured this is better than all before it."""
        if not self.best_epoch:
            return True
        new, old = (v[validation.metric] for v in (measured, self.epochs[self.best_epoch - 1]["validation"]))
        return new > old if validation.higher_is_better else new < old
