"""The one state that stands for a text: the mean of an encoder's states, a decoder's at the last token."""

from __future__ import annotations

from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily

# Keys of config.json: whether the last token's state stands for a text, and how many tokens stand before every text.
LAST = "text_state_is_last"
STARTS = "tokens_before_a_text"
# What a change that no token may see would move a state by, rounding apart.
ROUNDING = 1e-4


def looks_back(model: Any) -> bool:
    """Whether a model, given without its head and in eval mode, reads each token knowing only those before it.

    It is tried: another second token leaves the first one's state as it was. No name in a config says so of all kinds.
    """
    ids = torch.tensor([[3, 1], [3, 2]], device=model.device)
    with torch.no_grad():
        one, other = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[:, 0]
    return bool((one - other).abs().max() < ROUNDING)


def text_state(model: Any, mask: torch.Tensor, **read: torch.Tensor) -> torch.Tensor:
    """One state for each text in fp32, shape (texts, width), of a model without its head.

    `read` has the tokens or their embeddings, `mask` of shape (texts, length) says which of them are the text's: all up
    to some place, for texts are filled up on the right.
    """
    if not is_last(model.config):
        states = model(attention_mask=mask, **read).last_hidden_state.float()
        weights = mask[..., None]
        mean: torch.Tensor = (states * weights).sum(1) / weights.sum(1)
        return mean
    # What a cache would keep, nothing asks for.
    states = model(attention_mask=mask, **read, use_cache=False).last_hidden_state.float()
    last = (mask.sum(1) - 1)[:, None, None].expand(-1, -1, states.shape[-1])
    found: torch.Tensor = states.gather(1, last)[:, 0]
    return found


def is_last(config: Any) -> bool:
    """Whether the last token's state stands for a text."""
    return bool(getattr(config, LAST, False))


def tell_last(config: Any, before: int) -> None:
    """Note that the last token's state stands for a text, with so many tokens before every one."""
    setattr(config, LAST, True)
    setattr(config, STARTS, before)


def starts(config: Any) -> int:
    """How many tokens stand before every text, and so before both of a pair: encoders have one, some decoders none."""
    return int(getattr(config, STARTS, 1))
