"""A causal loss is computed some tokens at a time, and is what transformers computes, with its gradients."""

import copy

import pytest
import torch  # noqa: TID253 - all of these tests compute with it

from models import output_layer
from models.losses import Criterion, Loss
from models.objectives import causal_answers, causal_loss
from tests.test_only_what_is_learned_reaches_the_vocabulary import prompts_and_completions
from tests.toy_models import decoder

USUAL = Loss(causal_answers, first=1)


@pytest.fixture(autouse=True)
def three_tokens_at_once(monkeypatch):
    monkeypatch.setattr(output_layer, "LEAST", 3)
    monkeypatch.setattr(output_layer, "LOGITS", 1)


@pytest.fixture
def rows(monkeypatch):
    """How many states went through the vocabulary at once."""
    found, through = [], output_layer.linear
    monkeypatch.setattr(output_layer, "linear", lambda some, *w: found.append(len(some)) or through(some, *w))
    return found


def learned(loss, model, **how):
    """The loss, and the slopes of all weights that learn."""
    model = copy.deepcopy(model).train()
    with torch.autocast("cpu", torch.bfloat16, **({"enabled": False} | how)):
        found = loss(model, prompts_and_completions())
    found.backward()
    return found.detach(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def untied(bias):
    model = decoder(vocabulary=100)
    torch.manual_seed(4)
    model.config.tie_word_embeddings = False
    model.set_output_embeddings(torch.nn.Linear(model.config.hidden_size, 100, bias=bias))
    return model


@pytest.mark.parametrize("kind", ["tied", "untied", "with a bias", "with a frozen layer"])
def test_the_loss_and_its_slopes_are_those_of_all_logits(kind, rows):
    model = decoder(vocabulary=100) if kind == "tied" else untied(kind == "with a bias")
    model.get_output_embeddings().weight.requires_grad_(kind != "with a frozen layer")
    (loss, slopes), (expected, others) = (learned(one, model) for one in (causal_loss, USUAL))
    assert rows
    assert max(rows) == 3
    torch.testing.assert_close(loss, expected)
    assert slopes.keys() == others.keys()
    for name, slope in slopes.items():
        torch.testing.assert_close(slope, others[name], msg=lambda why, name=name: f"{name}: {why}")


def test_in_bf16_the_loss_is_as_exact_as_with_all_logits(rows):
    model = decoder(vocabulary=100)
    (loss, slopes), (expected, others) = (learned(one, model, enabled=True) for one in (causal_loss, USUAL))
    assert rows
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected)
    exact = learned(USUAL, model)[1]
    ours, usual = (sum((given[name] - exact[name]).square().sum() for name in exact) for given in (slopes, others))
    assert ours <= 1.5 * usual


def test_where_nothing_learns_the_loss_is_the_same(rows):
    model = decoder(vocabulary=100).eval()
    with torch.no_grad():
        loss = causal_loss(model, prompts_and_completions())
    assert rows
    torch.testing.assert_close(loss, USUAL(model, prompts_and_completions()).detach())


def capped():
    from transformers import Gemma2Config, Gemma2ForCausalLM

    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(1)
    config = Gemma2Config(vocab_size=100, head_dim=16, num_key_value_heads=2, final_logit_softcapping=0.01, **sizes)
    return Gemma2ForCausalLM(config)


def halving():
    """A model of a kind that nobody told of, which does something of its own to its logits."""
    model = decoder(vocabulary=100)
    forward = model.forward

    def halved(*given, **named):
        answer = forward(*given, **named)
        answer.logits = answer.logits / 2
        return answer

    model.forward = halved
    return model


@pytest.mark.parametrize("make", [capped, halving])
def test_a_model_that_does_more_to_its_logits_is_read_whole(make, rows):
    model, batch = make().eval(), prompts_and_completions()
    loss, expected = causal_loss(model, batch), USUAL(model, batch)
    assert not rows
    assert loss == expected
    loss.backward()


def test_a_loss_that_looks_at_logits_otherwise_has_them_all(rows):
    for loss in (Loss(causal_answers, Criterion(smoothing=0.1), mean=pytest.fail), Loss(causal_answers, r_drop=1.0)):
        loss(decoder(vocabulary=100), prompts_and_completions())
    assert not rows
