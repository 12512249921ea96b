"""What a method does beside a training's own steps: an added loss, a second gradient, a look after each step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily

State = dict[str, torch.Tensor]


class Hook:
    """Nothing at all; a method says otherwise where it does something."""

    # Of the loss of a batch, as much goes into the gradient at each of its readings.
    share = 1.0

    @contextmanager
    def during(self, model: Any) -> Iterator[None]:  # noqa: ARG002
        """What holds as long as the training goes on."""
        yield

    def penalty(self) -> torch.Tensor | float:
        """What is added to the loss of a batch."""
        return 0.0

    def after_backward(self, again: Callable[[], None]) -> None:
        """When the gradients of a batch are there. `again` reads it once more and adds the gradients of that."""

    def after_step(self, step: int) -> None:
        """When the weights have changed, their gradients still known; the first step is 1."""

    def forget(self) -> None:
        """When a reading broke off, and what was seen of it is of no use."""

    def state(self) -> State:
        """What a resumed training could not know from the weights; a part of each checkpoint."""
        return {}

    def restore(self, state: State) -> None:
        """Take over what `state` gave."""


class FastGradient(Hook):
    """Learn from each batch a second time with its words moved where that hurts most (FGM, Miyato et al. 2017).

    Each text's embeddings move by `epsilon` along their gradient, whose length does not count: a batch cut into parts
    is moved as the whole is. The embeddings' output is moved, not their weights, which need not learn for it.
    """

    def __init__(self, epsilon: float) -> None:
        self.epsilon = epsilon
        self.times = 1  # that a batch is read again
        self.read: list[torch.Tensor] = []
        self.moves: list[torch.Tensor] | None = None

    @contextmanager
    def during(self, model: Any) -> Iterator[None]:
        """Watch what the embeddings give."""
        handle = model.get_input_embeddings().register_forward_hook(self._read)
        try:
            yield
        finally:
            handle.remove()

    def _read(self, module: Any, _: Any, output: torch.Tensor) -> torch.Tensor | None:
        if not module.training:
            return None
        if self.moves is not None:
            output = output + self.moves.pop(0)
        if not output.requires_grad:
            output = output.detach().requires_grad_()
        output.retain_grad()
        self.read.append(output)
        return output

    def after_backward(self, again: Callable[[], None]) -> None:
        """Add the gradients of the moved batch."""
        moved: list[torch.Tensor] = [torch.zeros(())] * len(self.read)
        try:
            for _ in range(self.times):
                moved = [far + self._move(output.grad) for far, output in zip(moved, self.read, strict=True)]
                self.moves = list(moved)
                self.read.clear()
                again()
        finally:
            self.moves = None
            self.read.clear()

    def forget(self) -> None:
        """Let go of what the embeddings gave."""
        self.read.clear()

    def _move(self, slope: torch.Tensor | None) -> torch.Tensor:
        """From gradients of shape (texts, length, width), one step for each text."""
        if slope is None:
            return torch.zeros(())
        length = slope.norm(dim=(1, 2), keepdim=True).clamp(min=1e-12)
        move: torch.Tensor = self.epsilon / self.times * slope / length
        return move


class FreeLargeBatch(FastGradient):
    """Learn from each batch while its words move on and on to where it hurts more (FreeLB, Zhu et al. 2020).

    A step learns from the mean of all `readings`: the first of the texts as they are, the last up to `epsilon` away.
    The paper begins at a random point instead, which a batch that is cut into parts would not find again.
    """

    def __init__(self, epsilon: float, readings: int) -> None:
        super().__init__(epsilon)
        self.times = readings - 1
        self.share = 1 / readings


class RankAllocation(Hook):
    """AdaLoRA's share beside the weights: singular vectors kept apart, ranks moved to where they matter most.

    peft adds the first to a loss that it computes itself, and the second waits to be called; without, every matrix
    keeps its first rank (Zhang et al. 2023).
    """

    def __init__(self, model: Any) -> None:
        self.tuner = model.base_model
        self.allocator = self.tuner.rankallocator
        self.config = self.tuner.peft_config[self.tuner.trainable_adapter_name]

    def penalty(self) -> torch.Tensor | float:
        """How far the singular vectors are from orthogonal: mean Frobenius norm of P'P - I, weighted."""
        named = self.tuner.named_parameters()
        rows = [p if "lora_A" in name else p.T for name, p in named if "lora_A" in name or "lora_B" in name]
        norms = [(m @ m.T - torch.eye(len(m), device=m.device)).norm() for m in rows]
        weight: float = self.config.orth_reg_weight
        return weight * torch.stack(norms).mean()

    def after_step(self, step: int) -> None:
        """Note how much each rank matters, and take away those that matter least when it is time."""
        self.tuner.update_and_allocate(step)

    # peft's names for how much each weight matters: now, on average, and how sure that is.
    AVERAGES = ("ipt", "exp_avg_ipt", "exp_avg_unc")

    def state(self) -> State:
        """The averages of how much each weight matters, and which ranks are left."""
        averages = {f"{a}:{name}": t for a in self.AVERAGES for name, t in getattr(self.allocator, a).items()}
        left = (self.config.rank_pattern or {}).items()
        return averages | {f"left:{name}": torch.tensor(ranks) for name, ranks in left}

    def restore(self, state: State) -> None:
        """Take over averages and ranks."""
        found: dict[str, dict[str, Any]] = {kind: {} for kind in (*self.AVERAGES, "left")}
        for key, tensor in state.items():
            kind, name = key.split(":", 1)
            found[kind][name] = tensor
        self.config.rank_pattern = {name: ranks.tolist() for name, ranks in found.pop("left").items()} or None
        for kind, averages in found.items():
            setattr(self.allocator, kind, averages)
