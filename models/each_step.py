"""After each step of a training: its curve, its epochs' ends and its checkpoints."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch  # noqa: TID253 - this module is itself imported lazily
from transformers import TrainerCallback  # noqa: TID253

from models import stop
from models.progress import Progress

if TYPE_CHECKING:
    from models.train import PlanTrainer

CURVE_ROWS = 100


class EachStep(TrainerCallback):  # type: ignore[misc]
    """After each step: the curve, the epoch's end, a checkpoint when it is time or a stop was asked for."""

    def __init__(self, trainer: PlanTrainer) -> None:
        self.trainer = trainer
        self.saved = time.monotonic()
        self.progress: Progress | None = None
        self.parts = 1

    def close(self) -> None:
        """Give the terminal back, however the training ended."""
        if self.progress:
            self.progress.close()

    def on_train_begin(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
        record = self.trainer.record
        self.parts = record.parts
        self.progress = Progress(self.trainer.steps, state.global_step, record.tokens)
        numbers = "bf16 with fp32 weights" if record.bf16 else "fp32"
        print(f"{self.trainer.steps} steps in {numbers} on {torch.get_num_threads()} threads", flush=True)

    def on_optimizer_step(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
        for hook in self.trainer.plan.hooks:
            hook.after_step(state.global_step + 1)

    def on_step_end(self, _: Any, state: Any, control: Any, **__: Any) -> None:
        trainer, record = self.trainer, self.trainer.record
        assert self.progress, "a training begins before its first step ends"
        self.progress.show(state.global_step, record.tokens, record.epoch_losses[-1])
        if state.global_step % max(1, trainer.steps // CURVE_ROWS) == 0 or state.global_step == trainer.steps:
            trainer.add_curve_row()
        is_epoch_end = state.global_step in {-(-end // trainer.pace.accumulation) for end in trainer.plan.ends}
        if is_epoch_end:
            trainer.end_epoch()
        control.should_training_stop |= trainer.is_stopped_early or stop.requested.is_set()
        control.should_save = (
            self._is_due(state.global_step)
            or stop.requested.is_set()
            or (is_epoch_end and trainer.validation is not None)
        )

    def _is_due(self, step: int) -> bool:
        """Whether a checkpoint is to be saved: by time, by steps, or since batches came to be cut into more parts."""
        checkpoints = self.trainer.checkpoints
        is_time = time.monotonic() - self.saved > checkpoints.every
        is_count = checkpoints.steps > 0 and step % checkpoints.steps == 0
        return is_time or is_count or self.parts != self.trainer.record.parts

    def on_save(self, *_: Any, **__: Any) -> None:
        self.saved, self.parts = time.monotonic(), self.trainer.record.parts
