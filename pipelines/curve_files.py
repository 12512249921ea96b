"""Curves outside MLflow: TensorBoard event files and offline runs of W&B, where SCRIPTORIUM_CURVES asks for them.

They hold clock times and a machine's name, so they lie beside the artifacts, never in them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from pipelines.errors import Refused
from pipelines.steps import Work

Row = dict[str, Any]
# Takes a row of a training's curve, or of its epochs, as models/train.py records them.
Watch = Callable[[Row], None]


@contextmanager
def curve_files(work: Work) -> Iterator[Watch]:
    """What takes each row of a training while it goes on, and writes it wherever the settings say; nowhere by default.

    The files of the step are written anew: a training that goes on gives all its earlier rows first, so that none is
    there twice, and none that came after the checkpoint.
    """
    # The folder of a step's work is named for its key, see pipelines/steps.py; a round of self-training has its own.
    name = f"{work.checkpoints.parent.parent.name}-{work.checkpoints.parent.name[:12]}"
    name += f"-{work.checkpoints.name}" if work.checkpoints.name.startswith("round-") else ""
    with ExitStack() as stack:
        writers = []
        for kind in work.settings.curves:
            folder = work.settings.home / "curves" / kind / work.run.recipe.name / name
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            try:
                writers.append(stack.enter_context(KINDS[kind](folder, name, work)))
            except Exception as error:
                told = f"{type(error).__name__}: {error}"
                raise Refused(f"SCRIPTORIUM_CURVES: {kind} does not start ({told}); leave it out") from error
            print(f"{kind} curves: {folder}", flush=True)

        def watch(row: Row) -> None:
            for write in writers:
                write(numbers(row))

        yield watch


def numbers(row: Row) -> dict[str, float]:
    """A row of the curve as it is; one of the epochs under names of their own: epoch/loss, validation/accuracy."""
    if "epoch" not in row:
        return row
    measured = {f"validation/{name}": value for name, value in row.get("validation", {}).items()}
    return {"epoch": row["epoch"], "epoch/loss": row["loss"], **measured}


def axis(row: Row) -> str:
    """Along what a row's numbers are drawn."""
    return "epoch" if "epoch" in row else "step"


@contextmanager
def _tensorboard(folder: Path, _: str, __: Work) -> Iterator[Watch]:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder), flush_secs=10) as writer:

        def write(row: Row) -> None:
            for name in row.keys() - {axis(row)}:
                writer.add_scalar(name, row[name], row[axis(row)])

        yield write


@contextmanager
def _wandb(folder: Path, name: str, work: Work) -> Iterator[Watch]:
    """An offline run; `wandb sync` uploads it, and nothing here does."""
    import wandb

    quiet = wandb.Settings(silent=True, console="off", disable_git=True, disable_code=True, x_disable_stats=True)
    recipe = work.run.recipe
    named: dict[str, Any] = {"project": recipe.name, "name": name, "id": name, "config": recipe.model_dump(mode="json")}
    run = wandb.init(mode="offline", dir=folder, settings=quiet, **named)
    for pattern, along in (("validation/*", "epoch"), ("epoch/*", "epoch"), ("*", "step")):
        run.define_metric(pattern, step_metric=along)
    # As a context it would print a traceback where a training is only stopped.
    try:
        yield run.log
    finally:
        run.finish()


KINDS = {"tensorboard": _tensorboard, "wandb": _wandb}
