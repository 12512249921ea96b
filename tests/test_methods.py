"""Every method of fine-tuning ends as a model that is loaded as any other, and answers as it did."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.methods import METHODS, adalora, bottleneck, count, freeze_bottom, ia3, merged
from tests import toy_models
from tests.small_decoders import decoder_folder

pytestmark = pytest.mark.slow

PAIRS = [("Deletes the table", text) for text in toy_models.TEXTS[:96]]
RANK = 4
BESIDE = ("lora", "dora", "adalora", "ia3", "bottleneck")


def prepared(kind: str, folder: Path) -> tuple[Any, Any, Any]:
    """Model, tokenizer, and a plan of twelve steps."""
    from models import backbone, objectives
    from models.schedule import Passes

    passes = Passes(8, 1, 1)
    if kind != "writer":
        made = {"classifier": toy_models.encoder_folder, "decoder with a head": decoder_folder}[kind](folder)
        model, tokenizer = backbone.new_classifier(made, ["no", "yes"], 1, 64, 2)
        return model, tokenizer, objectives.label_plan(tokenizer, PAIRS, [n % 2 for n in range(96)], passes)
    tokenizer = toy_models.decoder_tokenizer()
    model = toy_models.decoder(len(tokenizer))
    return model, tokenizer, objectives.completion_plan(tokenizer, PAIRS, 64, passes)


def trained(method: str, model: Any, plan: Any, folder: Path) -> Any:
    """The adapted model after training, not merged."""
    from models.checkpoint import Checkpoints
    from models.hooks import RankAllocation
    from models.schedule import Pace
    from models.train import train

    adapted = METHODS[method](model, RANK, len(plan))
    hooks = [RankAllocation(adapted)] if method == "adalora" else []
    train(adapted, replace(plan, hooks=hooks), Pace(1e-2), Checkpoints(folder / "checkpoints"))
    return adapted


def answer(model: Any, plan: Any) -> Any:
    return model(**{name: tensor for name, tensor in plan[0].items() if name != "labels"}).logits.detach()


@pytest.mark.parametrize("kind", ["classifier", "decoder with a head", "writer"])
@pytest.mark.parametrize("method", METHODS)
def test_what_was_trained_answers_the_same_when_it_is_loaded(method: str, kind: str, tmp_path: Path):
    import torch

    from models import backbone

    model, tokenizer, plan = prepared(kind, tmp_path / "base")
    before = answer(model, plan)
    adapted = trained(method, model, plan, tmp_path)
    learning, every = count(adapted)
    said = answer(adapted, plan)
    backbone.save(merged(adapted), tokenizer, tmp_path / "saved")
    load = backbone.load_causal if kind == "writer" else backbone.load_classifier
    plain = load(tmp_path / "saved")[0]
    assert (learning == every) == (method == "full")
    assert not any(name in key for name in ("lora", "ia3") for key, _ in plain.named_parameters())
    torch.testing.assert_close(answer(plain, plan), said, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(said, before, atol=1e-3)


@pytest.mark.parametrize("kind", ["classifier", "writer"])
@pytest.mark.parametrize("method", BESIDE)
def test_an_untrained_adapter_changes_nothing_and_only_what_is_beside_learns(method: str, kind: str, tmp_path: Path):
    import torch

    model, _, plan = prepared(kind, tmp_path)
    before, names = answer(model, plan), {name for name, _ in model.named_parameters()}
    adapted = METHODS[method](model, RANK, 100)
    torch.testing.assert_close(answer(adapted, plan), before, rtol=1e-5, atol=1e-6)
    learning = {n.removeprefix("base_model.model.") for n, p in adapted.named_parameters() if p.requires_grad}
    old = {n for n in learning & names if not n.startswith("head.")}
    assert all(n.startswith("head.") for n in names & learning) or method == "bottleneck"
    assert all("norm" in n.lower() for n in old)
    assert {n for n in names if n.startswith("head.")} <= learning


@pytest.mark.parametrize("method", BESIDE)
def test_adapters_leave_frozen_layers_alone(method: str, tmp_path: Path):
    import torch

    model, _, plan = prepared("classifier", tmp_path / "base")
    before = {name: p.detach().clone() for name, p in model.encoder.encoder.layer[0].named_parameters()}
    freeze_bottom(model, 1)
    adapted = trained(method, model, plan, tmp_path)
    assert not any(".layer.0." in name for name, p in adapted.named_parameters() if p.requires_grad)
    assert any(".layer.1." in name for name, p in adapted.named_parameters() if p.requires_grad)
    after = {n.replace("inner.", ""): p for n, p in merged(adapted).encoder.encoder.layer[0].named_parameters()}
    assert all(torch.equal(after[name], weight) for name, weight in before.items())


@pytest.mark.parametrize("kind", ["classifier", "writer"])
def test_adalora_ends_with_the_rank_that_was_asked_for_unevenly_shared(kind: str, tmp_path: Path):
    model, _, plan = prepared(kind, tmp_path / "base")
    adapted = trained("adalora", model, plan, tmp_path)
    left = [int((p != 0).sum()) for name, p in adapted.named_parameters() if "lora_E" in name]
    assert sum(left) == RANK * len(left)
    assert len(set(left)) > 1
    assert max(left) <= RANK * 3 // 2


def test_what_adalora_knows_of_its_ranks_is_taken_over_whole(tmp_path: Path):
    import torch

    from models.hooks import RankAllocation

    model, _, plan = prepared("classifier", tmp_path)
    adapted = adalora(model, RANK, 12)
    hook = RankAllocation(adapted)
    for step in (1, 2, 3):
        adapted.zero_grad()
        plan.loss(adapted, plan[step]).backward()
        hook.after_step(step)
    state = hook.state()
    assert {key.split(":")[0] for key in state} == {*hook.AVERAGES, "left"}
    other = RankAllocation(adalora(prepared("classifier", tmp_path / "other")[0], RANK, 12))
    assert other.state() == {}
    other.restore(state)
    assert other.state().keys() == state.keys()
    assert all(torch.equal(tensor, state[key]) for key, tensor in other.state().items())


def test_adalora_says_how_many_steps_it_needs(tmp_path: Path):
    model = prepared("classifier", tmp_path)[0]
    with pytest.raises(ValueError, match="adalora needs 10 steps or more to choose ranks, and there are 3"):
        adalora(model, RANK, 3)


def test_a_model_with_bottlenecks_is_never_taken_for_one_without(tmp_path: Path):
    from models import backbone

    model, tokenizer, plan = prepared("classifier", tmp_path / "base")
    adapted = trained("bottleneck", model, plan, tmp_path)
    backbone.save(adapted, tokenizer, tmp_path / "saved")
    backbone.save(*backbone.load_classifier(tmp_path / "saved"), tmp_path / "again")
    files = [tmp_path / folder / "model.safetensors" for folder in ("saved", "again")]
    assert files[0].read_bytes() == files[1].read_bytes()
    config = tmp_path / "saved" / "config.json"
    config.write_text(json.dumps({k: v for k, v in json.loads(config.read_text()).items() if k != "bottleneck"}))
    with pytest.raises(ValueError, match="lacks"):
        backbone.load_classifier(tmp_path / "saved")


@pytest.mark.parametrize(("method", "message"), [(ia3, "ia3 does not know"), (bottleneck, "not known where")])
def test_a_kind_of_model_that_a_method_does_not_know_is_refused(method: Any, message: str):
    from transformers import FNetConfig, FNetForSequenceClassification

    sizes = {"vocab_size": 50, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    model = FNetForSequenceClassification(FNetConfig(**sizes))
    for module in model.fnet.modules():  # whose blocks have BERT's names
        if hasattr(module, "dense"):
            module.odd = module._modules.pop("dense")
    with pytest.raises(ValueError, match=message):
        method(model, RANK, 100)
