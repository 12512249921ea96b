"""Attention of short texts in fp32, where all else is computed in bf16: its way back is slow there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

# Fewer keys than this: on processors torch's backward of attention in bf16 takes 1.3 to 9 times as long as in fp32,
# casts included; above it is the faster one (tests/benchmarks/attention.py).
SHORT = 192


@contextmanager
def short_in_fp32() -> Iterator[None]:
    """Within the block, what attends to fewer than SHORT tokens and learns does so in fp32, with transformers' `sdpa`.

    For autocast to bf16 on a processor; results are returned in the type that they would have had.
    """
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    usual = ALL_ATTENTION_FUNCTIONS["sdpa"]
    ALL_ATTENTION_FUNCTIONS["sdpa"] = partial(_attend, usual)
    try:
        yield
    finally:
        ALL_ATTENTION_FUNCTIONS["sdpa"] = usual


def _attend(usual: Callable[..., Any], module: Any, query: Any, key: Any, *others: Any, **named: Any) -> Any:
    import torch

    learns = torch.is_grad_enabled() and torch.is_autocast_enabled("cpu")
    if not learns or key.shape[-2] >= SHORT:
        return usual(module, query, key, *others, **named)
    named = {name: _wide(value) for name, value in named.items()}
    with torch.autocast("cpu", enabled=False):
        found, weights = usual(module, _wide(query), _wide(key), *map(_wide, others), **named)
    return found.to(torch.get_autocast_dtype("cpu")), weights


def _wide(value: Any) -> Any:
    import torch

    return value.float() if torch.is_tensor(value) and value.is_floating_point() else value
