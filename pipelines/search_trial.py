"""One trial of a search: a fine-tuning with other settings, judged after each epoch by the validation rows."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pipelines.errors import Refused
from pipelines.search_space import with_settings
from pipelines.steps import Work

if TYPE_CHECKING:
    from optuna import Trial

    from models.record import Validation


@dataclass(frozen=True)
class Result:
    """What became of a trial: its best epoch's value, none where it was ended early, and why that was."""

    value: float | None
    why: str = ""


class Pruned(Exception):
    """The trial is worse than the others were at its age."""


def tried(trial: Trial, work: Work) -> Result:
    """Fine-tune with the settings of a trial and say how well; `work` has the recipe that they change.

    What the settings make impossible, a training that diverges for one, is a result too, and not an error.
    """
    from pipelines.finetune import tuned

    started = time.monotonic()
    try:
        recipe = with_settings(work.run.recipe, trial.params)
        # Curves of trials stand in the study's page and in MLflow; files of hundreds would bury those of the trainings.
        settings = replace(work.settings, curves=())
        work = replace(work, run=work.run.model_copy(update={"recipe": recipe}), settings=settings)
        shutil.rmtree(work.checkpoints, ignore_errors=True)
        work.checkpoints.mkdir(parents=True)
        watch = _Watch(trial, recipe.finetune.epochs, started)
        record = tuned(work, watch.over)[2]
        return Result(record.epochs[record.best_epoch - 1]["validation"][watch.metric])
    except Pruned as error:
        return Result(None, str(error))
    except Refused as error:
        return Result(None, f"refused: {error}")
    finally:
        trial.set_user_attr("seconds", round(time.monotonic() - started, 2))
        shutil.rmtree(work.checkpoints, ignore_errors=True)


class _Watch:
    """Tells the study how each epoch validated, and ends a training that the study gives up."""

    def __init__(self, trial: Trial, epochs: int, started: float) -> None:
        self.trial, self.epochs, self.started = trial, epochs, started
        self.metric = ""
        self.epoch = 0

    def over(self, validation: Validation) -> Validation:
        self.metric = validation.metric

        def measure(model: Any) -> dict[str, float]:
            measured = validation.measure(model)
            self._report(measured[validation.metric])
            return measured

        return replace(validation, measure=measure)

    def _report(self, value: float) -> None:
        self.epoch += 1
        self.trial.report(value, self.epoch)
        self.trial.set_user_attr("seconds", round(time.monotonic() - self.started, 2))
        if self.epoch < self.epochs and self.trial.should_prune():
            raise Pruned(f"ended after epoch {self.epoch} of {self.epochs}: worse than half of the others at that age")
