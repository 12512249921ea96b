"""A training as all steps do it: with checkpoints, looked on by whoever shall, and what is written of it at its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pipelines.artifact import canonical, write_json
from pipelines.curve_files import curve_files
from pipelines.errors import Refused, TryAgain
from pipelines.machine_load import measured, rows_of
from pipelines.steps import Work

if TYPE_CHECKING:
    from models.record import Record, Validation
    from models.schedule import Pace, Plan


def trained(work: Work, model: Any, plan: Plan, pace: Pace, validation: Validation | None = None) -> Record:
    """Train a model in place, from the last checkpoint of the work on. Raises Refused when it diverged."""
    from models.checkpoint import Checkpoints
    from models.train import train

    checkpoints = Checkpoints(work.checkpoints, work.settings.checkpoint_every, work.settings.checkpoint_steps)
    with refused_when_diverged(), measured(work.checkpoints), curve_files(work) as watch:
        return train(model, plan, pace, checkpoints, validation, watch)


@contextmanager
def refused_when_diverged() -> Iterator[None]:
    """Turn a training that diverged, or that memory has no room for, into a refusal: the recipe must change.

    A full disk may be tried again.
    """
    from models.checkpoint import NoSpace
    from models.divergence import Diverged
    from models.parts import OutOfMemory

    try:
        yield
    except (Diverged, OutOfMemory) as error:
        raise Refused(str(error)) from None
    except NoSpace as error:
        raise TryAgain(str(error)) from None


def write_training(work: Work, record: Record, metrics: dict[str, Any], seconds: float) -> None:
    """Write the curve, the metrics, and apart from them how long it took and what the machine did meanwhile."""
    (work.out / "curve.jsonl").write_text("".join(canonical(row) + "\n" for row in record.curve), encoding="utf-8")
    in_parts = {"parts": record.parts} if record.parts > 1 else {}
    write_json(work.out / "metrics.json", metrics | in_parts)
    rounds = sorted(work.checkpoints.parent.glob("round-*"))  # of a self-training
    machine = [row for folder in (work.checkpoints, *rounds) for row in rows_of(folder)]
    timings = {"training_seconds": round(seconds, 1), "machine": machine}
    write_json(work.out / "timings.json", timings)
