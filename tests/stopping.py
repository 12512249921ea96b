"""A training that is asked to stop in its third step, as SIGTERM would."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def stopped_in_the_third_step(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """What trains within must end with a checkpoint of that step; yields a 1 for each step, of later trainings too."""
    from models import stop, train

    step, steps = train.PlanTrainer.compute_loss, []

    def counted(self, *arguments, **named):
        steps.append(1)
        if len(steps) == 3:
            stop.requested.set()
        return step(self, *arguments, **named)

    monkeypatch.setattr(train.PlanTrainer, "compute_loss", counted)
    try:
        with pytest.raises(stop.Stopped, match="checkpoint saved at step 3 of"):
            yield steps
    finally:
        stop.requested.clear()
