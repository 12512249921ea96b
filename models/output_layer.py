"""A language model's output layer: only wanted states reach it, and its loss is computed some tokens at a time.

The logits of all never stand in memory. Gradients are made while those of some tokens are at hand, as in Hsu et al.
2024 ("Liger Kernel"), whose kernels are for GPUs. torch's `linear_cross_entropy` does so too, but gains nothing in bf16
on processors, and rounds the loss to it (tests/benchmarks/output_layer.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily
from torch.autograd.function import once_differentiable  # noqa: TID253
from torch.nn.functional import linear  # noqa: TID253

# Logits at once: 8 MB of them stay in a processor's cache. Of a large vocabulary, those of so many tokens at least.
LOGITS, LEAST = 2**21, 64
# What models do to their logits beside the output layer, as their configs say it.
MORE = ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier")


@contextmanager
def only_states(head: Any, wanted: torch.Tensor, kept: list[torch.Tensor] | None = None) -> Iterator[None]:
    """Let through to a model's output layer the states of the `wanted` tokens alone, one row each.

    Where they are to be `kept`, they are put there, and the first alone goes on. A hook and not `logits_to_keep`, which
    keeps the same places of every text, and leaves what else a model does to logits, such as Gemma's cap, to the model.
    """

    def narrowed(_: Any, given: Any) -> tuple[torch.Tensor]:
        states = given[0][wanted]
        if kept is None:
            return (states,)
        kept.append(states)
        return (states[:1],)

    hook = head.register_forward_pre_hook(narrowed)
    try:
        yield
    finally:
        hook.remove()


def is_plain(model: Any) -> bool:
    """Whether a model, on a processor, makes its logits by a linear layer alone, as far as its kind tells."""
    head, config = model.get_output_embeddings(), model.config
    plain = type(head) is torch.nn.Linear and head.weight.device.type == "cpu"
    return plain and not any(getattr(config, name, None) for name in MORE)


def head_loss(states: torch.Tensor, head: torch.nn.Linear, answers: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy in fp32, from states of shape (answers, width) and the numbers of the right answers.

    Under autocast it computes in that type, as the layer would.
    """
    kind = states.device.type
    narrow = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else states.dtype
    wanted = [
        torch.is_grad_enabled() and part is not None and part.requires_grad for part in (states, head.weight, head.bias)
    ]
    with torch.autocast(kind, enabled=False):
        loss: torch.Tensor = _HeadLoss.apply(states, head.weight, head.bias, answers, narrow, wanted)  # type: ignore[no-untyped-call]
    return loss


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *given: Any) -> Any:
        *parts, answers, narrow, wanted = given
        slopes = [torch.zeros_like(p, dtype=torch.float32) if w else None for p, w in zip(parts, wanted, strict=True)]
        states, weight = parts[0].to(narrow), parts[1].to(narrow)
        bias = None if parts[2] is None else parts[2].to(narrow)
        size = max(LEAST, LOGITS // len(weight))
        total = torch.zeros((), device=states.device)
        for start in range(0, len(states), size):
            some = states[start : start + size]
            loss, slope = _some(linear(some, weight, bias).float(), answers[start : start + size, None])
            total += loss
            _add(slopes, start, slope.to(narrow), some, weight)
        ctx.save_for_backward(*slopes)
        ctx.answers = len(states)
        return total / len(states)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by: Any) -> Any:
        slopes = (slope if slope is None else slope * (by / ctx.answers) for slope in ctx.saved_tensors)
        return (*slopes, None, None, None)


def _some(logits: torch.Tensor, right: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The sum of the losses, and how each rises with its logits, which are overwritten."""
    top, known = logits.amax(1, keepdim=True), logits.gather(1, right)
    chances = logits.sub_(top).exp_()
    sums = chances.sum(1, keepdim=True)
    loss = (sums.log() + top - known).sum()
    slope = chances.div_(sums)
    slope.scatter_add_(1, right, torch.full_like(known, -1.0))
    return loss, slope


def _add(
    slopes: list[torch.Tensor | None], start: int, slope: torch.Tensor, states: torch.Tensor, weight: torch.Tensor
) -> None:
    """Add to the slopes of states, weight and bias those of the states that begin at `start`."""
    of_states, of_weight, of_bias = slopes
    if of_states is not None:
        of_states[start : start + len(states)] = slope @ weight
    if of_weight is not None:
        of_weight += slope.t() @ states
    if of_bias is not None:
        of_bias += slope.sum(0, dtype=torch.float32)
