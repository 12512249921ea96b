"""Training: one Trainer, which goes through a plan, and which may be stopped at any step and gone on with exactly."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from functools import partial
from math import prod
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily
from safetensors.torch import load_file, save_file
from transformers import PrinterCallback, Trainer  # noqa: TID253

from models import precision, stop
from models.arguments import arguments
from models.checkpoint import (
    WEIGHTS,
    Checkpoints,
    forget_all_but,
    keep,
    last_checkpoint,
    require_space,
    restore,
    save_whole,
    trainable,
)
from models.divergence import Diverged, run_of, told
from models.each_step import EachStep
from models.mixing import TASK
from models.optimizers import OPTIMIZERS
from models.parts import OutOfMemory, StepBegin, parts, ran_out
from models.record import Record, Row, Validation, Watch
from models.schedule import Batch, Pace, Plan, groups, tokens_of

RECORD = "record.json"
HOOK = "hook-{}.safetensors"


def train(  # noqa: PLR0913, PLR0917 - what is trained, on what, how, and who looks on
    model: Any,
    plan: Plan,
    pace: Pace,
    checkpoints: Checkpoints,
    validation: Validation | None = None,
    watch: Watch = lambda _: None,
) -> Record:
    """Train `model` in place through `plan`, from the last whole checkpoint on if there is one.

    With a validation, the weights of its best epoch are restored at the end. Raises Stopped when asked to stop, after
    saving a checkpoint unless it was judging an epoch, Diverged when the loss is no number or stays far above what it
    was (its batch lies beside the checkpoints), NoSpace before a checkpoint that the disk has no room for, and
    OutOfMemory when batches cannot be cut further. The same inputs end in the same weights, bit for bit, on the same
    machine with the same number of threads and as much memory, however often it was stopped or killed.
    """
    if not len(plan):
        return Record()
    trainer, checkpoint = PlanTrainer(model, plan, pace, checkpoints, validation), last_checkpoint(checkpoints.folder)
    trainer.watch = watch
    trainer.resume_record(checkpoint)
    if not trainer.is_stopped_early:
        with stop.on_signals(), closing(trainer.each_step), ExitStack() as stack:
            for hook in plan.hooks:
                stack.enter_context(hook.during(model))
            trainer.train(resume_from_checkpoint=checkpoint)
    if stop.requested.is_set() and not trainer.is_done:
        raise stop.Stopped(f"checkpoint saved at step {trainer.state.global_step} of {trainer.steps}")
    if validation:
        restore(model, checkpoints.folder / f"best-{trainer.record.best_epoch}.safetensors")
    model.eval()
    return trainer.record


class PlanTrainer(Trainer):  # type: ignore[misc]
    """transformers' Trainer over a plan: own order, own loss, own checkpoints and own curve."""

    # The loss is a mean over the micro-batch. Where a model's head drops `num_items_in_batch`, Trainer 5.23 would
    # otherwise multiply loss and gradient by the accumulation steps.
    loss_is_scaled_for_ga = False

    def __init__(
        self, model: Any, plan: Plan, pace: Pace, checkpoints: Checkpoints, validation: Validation | None = None
    ) -> None:
        super().__init__(model, arguments(pace, checkpoints.folder), data_collator=itemgetter(0), train_dataset=plan)
        self.model_accepts_loss_kwargs = False
        self.remove_callback(PrinterCallback)
        self.plan, self.pace, self.checkpoints, self.validation = plan, pace, checkpoints, validation
        self.watch: Watch = lambda _: None
        self.record = Record(bf16=precision.gains_by_bf16(model.device.type))
        self.steps = -(-len(plan) // pace.accumulation)
        self.factor = pace.factors(self.steps)
        self.share = prod(hook.share for hook in plan.hooks)
        self.begun = StepBegin.now(-1, self.record)
        self.weight, self.read_loss = 1.0, 0.0  # of what is read now, and of the parts of a batch together
        self.each_step = EachStep(self)
        self.add_callback(self.each_step)

    @property
    def is_done(self) -> bool:
        """Whether the plan is at its end, or early stopping ended it."""
        return self.state.global_step >= self.steps or self.is_stopped_early

    @property
    def number(self) -> int:
        """Of the batch that is learned from now, in the plan."""
        return int(self.state.global_step) * self.pace.accumulation + self.begun.done

    @property
    def is_stopped_early(self) -> bool:
        patience = self.validation.patience if self.validation else 0
        return patience > 0 and len(self.record.epochs) - self.record.best_epoch >= patience

    def _get_train_sampler(self, *_: Any) -> Any:
        return torch.utils.data.SequentialSampler(self.plan)

    def create_optimizer(self, *_: Any) -> Any:
        self.optimizer = OPTIMIZERS[self.pace.optimizer](groups(self.model, self.pace), self.pace.learning_rate)
        return self.optimizer

    def create_scheduler(self, *_: Any, **__: Any) -> Any:
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self.factor)
        return self.lr_scheduler

    def compute_loss(self, model: Any, inputs: Batch, *_: Any, **__: Any) -> Any:
        loss = self._loss(model, inputs)
        if not torch.isfinite(loss):
            raise self._diverged(f"the loss became {loss.item()}", self.number)
        self.read_loss += self.weight * loss.item()
        self.record.tokens += tokens_of(inputs)
        return self.weight * sum((hook.penalty() for hook in self.plan.hooks), start=self.share * loss)

    def _diverged(self, what: str, number: int) -> Diverged:
        """What to raise, once the batch of this number is saved."""
        step = number // self.pace.accumulation + 1
        path = self.checkpoints.folder / f"diverged-{step}.safetensors"
        batch = {name: tensor.contiguous() for name, tensor in self.plan[number].items() if torch.is_tensor(tensor)}
        save_whole(batch, path)
        return Diverged(f"{what} at step {step}; lower the learning rate. The batch that did it: {path}")

    def _loss(self, model: Any, inputs: Batch) -> Any:
        with precision.autocast(model.device, bf16=self.record.bf16):
            return self.plan.loss(model, inputs)

    def training_step(self, model: Any, inputs: Batch, *_: Any) -> Any:
        """Learn from the next batch of a step; where memory runs out, in more parts, from the step's first batch on."""
        if self.begun.step != self.state.global_step:
            self.begun = StepBegin.now(self.state.global_step, self.record)
        wanted = self.begun.done + 1
        while self.begun.done < wanted:
            try:
                loss = self._learn(model, inputs)
                continue
            except (RuntimeError, MemoryError) as error:
                if not ran_out(error):
                    raise
            self._halve(model)  # not above, where the error would hold on to what did not fit
        return loss

    def _learn(self, model: Any, inputs: Batch) -> Any:
        """Add the gradients of the step's next batch: that of `inputs`, unless the step began again."""
        self.read_loss = 0.0
        cut = [(inputs, 1.0)] if self.record.parts == 1 else parts(self.plan, self.number, self.record.parts)
        for part, weight in cut:
            self.weight = weight
            loss = super().training_step(model, part)
            for hook in self.plan.hooks:
                hook.after_backward(partial(self._again, model, part))
        run = run_of(len(self.plan))
        course = self.record.note(self.read_loss, str(part.get(TASK, 0)), self.number, run)
        if course.far == run:
            raise self._diverged(told(course, self.read_loss), course.since)
        self.begun.done += 1
        return loss

    def _halve(self, model: Any) -> None:
        """Begin the step again with batches in twice as many parts. Raises OutOfMemory where that cannot be."""
        step, (items, _) = self.state.global_step + 1, self.plan.items(self.number)
        self.begun.come_back(model, self.record)
        for hook in self.plan.hooks:
            hook.forget()
        if not self.plan.loss.divisible or self.record.parts >= len(items):
            raise OutOfMemory(step, divisible=self.plan.loss.divisible)
        self.record.parts *= 2
        print(f"memory ran out at step {step}: batches are learned from in {self.record.parts} parts now", flush=True)

    def _again(self, model: Any, inputs: Batch) -> None:
        """Add the gradients of a batch that was read before."""
        loss = self.weight * self.share * self._loss(model, self._prepare_inputs(inputs))
        self.accelerator.backward(loss / self.current_gradient_accumulation_steps)

    def add_curve_row(self) -> None:
        losses = self.record.losses
        rate = self.pace.learning_rate * self.factor(self.state.global_step - 1)
        row = {"step": self.state.global_step, "tokens": self.record.tokens, "learning_rate": rate}
        self.record.curve.append({**row, "loss": round(sum(losses) / len(losses), 6)})
        self.watch(self.record.curve[-1])
        losses.clear()

    def end_epoch(self) -> None:
        """Judge the model, and keep its weights when it is the best so far."""
        losses, number = self.record.epoch_losses, len(self.record.epochs) + 1
        row: Row = {"epoch": number, "loss": round(sum(losses) / len(losses), 6)}
        losses.clear()
        if self.validation:
            self.model.eval()
            row["validation"] = self.validation.measure(self.model)
            if self.record.is_best(row["validation"], self.validation):
                self.record.best_epoch = number
                weights = trainable(self.model)
                require_space(self.checkpoints.folder, [weights])
                save_whole(weights, self.checkpoints.folder / f"best-{number}.safetensors")
        self.record.epochs.append(row)
        self.watch(row)
        print(f"epoch {number}: {json.dumps(row)}", flush=True)

    def _save_checkpoint(self, *arguments: Any) -> None:
        """Write a checkpoint aside, and give it its name when all of it has reached the disk."""
        require_space(self.checkpoints.folder, [trainable(self.model), *self.optimizer.state.values()])
        super()._save_checkpoint(*arguments)
        folder = self.checkpoints.folder / f"checkpoint-{self.state.global_step}"
        part = self.checkpoints.folder / "part" / folder.name
        (part / RECORD).write_text(json.dumps(vars(self.record)))
        for number, hook in enumerate(self.plan.hooks):
            save_file(hook.state(), part / HOOK.format(number))
        keep(part, folder)
        forget_all_but(self.checkpoints.folder, self.record.best_epoch)

    def _get_output_dir(self, *_: Any, **__: Any) -> str:
        return str(self.checkpoints.folder / "part")

    def _save(self, output_dir: str | None = None, **_: Any) -> None:
        folder = Path(str(output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        save_file(trainable(self.model), folder / WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, *_: Any) -> None:
        restore(self.model, Path(resume_from_checkpoint) / WEIGHTS)
        for number, hook in enumerate(self.plan.hooks):
            hook.restore(load_file(Path(resume_from_checkpoint) / HOOK.format(number), device=str(self.model.device)))

    def resume_record(self, checkpoint: str | None) -> None:
        """Take over what the training had done at a checkpoint."""
        if checkpoint:
            self.record = Record(**json.loads((Path(checkpoint) / RECORD).read_text()))
            for row in (*self.record.curve, *self.record.epochs):
                self.watch(row)
            print(f"resumed from {Path(checkpoint).name}", flush=True)
