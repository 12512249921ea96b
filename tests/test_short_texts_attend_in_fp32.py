"""Where a training computes in bf16 on a processor, short texts attend in fp32, whose way back is the faster one."""

from types import SimpleNamespace

import pytest

LONG, SHORT = 192, 191


def attended(length: int, *, bf16: bool = True, learns: bool = True):
    """What transformers' attention answers to numbers that bf16 holds within `precision.autocast`, and its gradient."""
    import torch
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    from models.precision import autocast

    numbers = torch.Generator().manual_seed(7)
    query, key, value = (torch.randn(2, 3, length, 16, generator=numbers).bfloat16().float() for _ in range(3))
    mask = torch.ones(2, 1, length, length).tril().log()  # an additive one: 0 or minus infinity
    query.requires_grad_(learns)
    with autocast("cpu", bf16=bf16), torch.set_grad_enabled(learns):
        found, _ = ALL_ATTENTION_FUNCTIONS["sdpa"](SimpleNamespace(is_causal=False), query, key, value, mask)
        if learns:
            found.float().square().sum().backward()
    return found.detach(), query.grad


def test_a_short_text_that_is_learned_from_attends_in_fp32_and_is_rounded_once():
    import torch

    (found, slope), (exact, exact_slope) = attended(SHORT), attended(SHORT, bf16=False)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, exact.bfloat16())
    assert (slope - exact_slope).abs().max() < 0.01 * exact_slope.abs().max()


@pytest.mark.parametrize(("length", "learns"), [(LONG, True), (SHORT, False)])
def test_a_long_one_and_one_that_is_only_answered_attend_in_bf16(length, learns):
    import torch

    found, _ = attended(length, learns=learns)
    exact, _ = attended(length, learns=learns, bf16=False)
    assert found.dtype == torch.bfloat16
    assert not torch.equal(found, exact.bfloat16())


def test_blocks_within_one_another_leave_transformers_as_it_was():
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    from models.precision import autocast

    usual = ALL_ATTENTION_FUNCTIONS["sdpa"]
    with pytest.raises(KeyError), autocast("cpu", bf16=True), autocast("cpu", bf16=True):
        raise KeyError
    assert ALL_ATTENTION_FUNCTIONS["sdpa"] is usual
