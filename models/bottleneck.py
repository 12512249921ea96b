"""Bottleneck adapters (Houlsby et al. 2019): a small network after each attention and each feed-forward block.

They cannot be merged into the weights beside them, so they are part of the model: config.json names their width, and
any class of model is loaded with them. No code of the model folder is run.
"""

from __future__ import annotations

from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily
from torch import nn  # noqa: TID253

WIDTH = "bottleneck"
# What closes a block, just before what went into the block is added again: BERT and RoBERTa, DistilBERT, Llama and its
# kin, ModernBERT, T5 and BART.
ENDS = (
    ("output.dense",),
    ("out_lin", "lin2"),
    ("o_proj", "down_proj"),
    ("Wo",),
    ("SelfAttention.o", "wo"),
    ("out_proj", "fc2"),
)


class Bottleneck(nn.Module):
    """A linear layer, and its output with what a narrow network makes of it added; at first that is nothing."""

    def __init__(self, inner: nn.Linear, width: int) -> None:
        super().__init__()
        self.inner = inner
        self.down = nn.Linear(inner.out_features, width)
        self.up = nn.Linear(width, inner.out_features)
        nn.init.normal_(self.down.weight, std=0.01)
        for tensor in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(tensor)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """From states of shape (..., in) to (..., out)."""
        states = self.inner(states)
        added: torch.Tensor = self.up(nn.functional.gelu(self.down(states)))
        return states + added


def insert(model: Any, width: int) -> None:
    """Put adapters into the backbone, and their width into its config. Raises ValueError for an unknown kind."""
    backbone = model.base_model
    found = [(name, module) for name, module in backbone.named_modules() if isinstance(module, nn.Linear)]
    ends = max(ENDS, key=lambda names: sum(name.endswith(names) for name, _ in found))
    places = [(name, module) for name, module in found if name.endswith(ends)]
    if not places:
        raise ValueError(f"it is not known where the blocks of a {model.config.model_type} end")
    for name, module in places:
        backbone.set_submodule(name, Bottleneck(module, width))
    setattr(model.config, WIDTH, width)
