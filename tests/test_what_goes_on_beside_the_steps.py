"""Adversarial words, noisy words, clipped gradients and other optimisers do what they promise."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests import toy_models

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_models.encoder_folder(tmp_path_factory.mktemp("base"))


def prepared(base: Path, epochs: int = 1) -> tuple[Any, Any]:
    """A classifier that always answers the same to the same, and a plan of eight texts a batch."""
    from models import backbone, objectives
    from models.methods import set_dropout
    from models.schedule import Passes

    model, tokenizer = backbone.new_classifier(base, ["no", "yes"], 1, 64, 1)
    set_dropout(model, 0.0)
    texts = [(text,) for text in toy_models.TEXTS[:48]]
    labels = ["Deletes" in text or "Lists" in text for (text,) in texts]
    return model, objectives.label_plan(tokenizer, texts, list(map(int, labels)), Passes(8, epochs, 1))


def trained(model: Any, plan: Any, folder: Path, **pace: Any) -> Any:
    from models.checkpoint import Checkpoints
    from models.schedule import Pace
    from models.train import train

    return train(model, plan, Pace(**({"learning_rate": 1e-3} | pace)), Checkpoints(folder))


def test_each_text_is_moved_by_epsilon_to_where_it_hurts(base: Path):
    import torch

    from models.hooks import FastGradient

    model, plan = prepared(base)
    model.train()
    hook, losses, read = FastGradient(0.3), [], []

    def again() -> None:
        losses.append(plan.loss(model, plan[0]))
        losses[-1].backward()

    with hook.during(model):
        model.get_input_embeddings().register_forward_hook(lambda *a: read.append(a[2].detach()))
        again()
        slope = model.head.weight.grad.clone()
        hook.after_backward(again)
    moved = read[1] - read[0]
    torch.testing.assert_close(moved.norm(dim=(1, 2)), torch.full((8,), 0.3))
    assert losses[1] > losses[0]
    assert not torch.equal(model.head.weight.grad, slope), "the second reading must add its gradients"
    assert (hook.read, hook.moves) == ([], None)
    again()
    assert losses[2] == losses[0], "outside the training nothing moves"


def test_words_move_on_and_what_is_learned_is_the_mean_of_all_readings(base: Path):
    import torch

    from models.hooks import FreeLargeBatch

    model, plan = prepared(base)
    model.train()
    hook, losses, slopes, read = FreeLargeBatch(0.3, 3), [], [], []

    def again() -> None:
        model.zero_grad()
        losses.append(plan.loss(model, plan[0]))
        (hook.share * losses[-1]).backward()
        slopes.append(model.head.weight.grad.clone())

    with hook.during(model):
        model.get_input_embeddings().register_forward_hook(lambda *a: read.append(a[2].detach()))
        again()
        hook.after_backward(again)
    far = [(moved - read[0]).norm(dim=(1, 2)) for moved in read]
    assert len(read) == 3
    torch.testing.assert_close(far[1], torch.full((8,), 0.15))
    assert (far[2] > far[1]).all()
    assert (far[2] < 0.3001).all()
    assert losses[0] < losses[1] < losses[2]
    assert (hook.read, hook.moves) == ([], None)
    model.zero_grad()
    plan.loss(model.eval(), plan[0]).backward()
    torch.testing.assert_close(slopes[0], model.head.weight.grad / 3)


def test_a_step_learns_from_as_much_of_the_loss_as_each_reading_has(base: Path, tmp_path: Path):
    import torch

    from models.hooks import FreeLargeBatch

    moved, pace = [], {"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 0.0, "clip": 0.0}
    for number, hooks in enumerate(([], [FreeLargeBatch(1e-9, 4)])):
        model, plan = prepared(base)
        before = model.head.weight.detach().clone()
        one = replace(plan, epochs=[plan.epochs[0][:1]], hooks=hooks)
        record = trained(model, one, tmp_path / str(number), **pace)
        moved.append((model.head.weight.detach() - before, record.curve[0]["loss"]))
    assert moved[0][1] == moved[1][1], "the curve is of the texts as they are"
    torch.testing.assert_close(moved[0][0], moved[1][0], rtol=1e-2, atol=1e-5)


def test_words_are_moved_even_where_their_embeddings_do_not_learn(base: Path, tmp_path: Path):
    import torch

    from models import methods
    from models.hooks import FastGradient

    weights = []
    for epsilon in (0.0, 1.0):
        model, plan = prepared(base)
        adapted = methods.lora(model, 4, 1)
        words = model.get_input_embeddings().weight.clone()
        trained(adapted, replace(plan, hooks=[FastGradient(epsilon)]), tmp_path / str(epsilon))
        assert torch.equal(words, model.get_input_embeddings().weight)
        weights.append(model.head.weight.detach())
    assert not torch.allclose(*weights, atol=1e-6)


def test_noise_is_added_to_words_while_training_and_never_after(base: Path, tmp_path: Path):
    import torch

    weights = []
    for noise in (0.0, 5.0, 5.0):
        model, plan = prepared(base)
        trained(model, plan, tmp_path / str(len(weights)), noise=noise)
        weights.append(model.head.weight.detach())
        assert torch.equal(plan.loss(model.train(), plan[0]), plan.loss(model, plan[0]))
    assert not torch.allclose(weights[0], weights[1], atol=1e-6)
    assert torch.equal(weights[1], weights[2])


def test_a_gradient_is_cut_to_the_length_that_was_asked_for(base: Path, tmp_path: Path):
    import torch

    lengths = []
    for clip in (0.0, 0.01):
        model, plan = prepared(base)
        one = replace(plan, epochs=[plan.epochs[0][:1]])
        before = torch.cat([p.detach().flatten().clone() for p in model.parameters()])
        trained(model, one, tmp_path / str(clip), optimizer="sgd", learning_rate=0.1, weight_decay=0.0, clip=clip)
        after = torch.cat([p.detach().flatten() for p in model.parameters()])
        lengths.append(float((after - before).norm()) / 0.1)
    assert lengths[0] > 0.05
    assert lengths[1] == pytest.approx(0.01, rel=0.01)


@pytest.mark.parametrize(("optimizer", "rate"), [("adamw", 5e-3), ("sgd", 0.1), ("adafactor", 0.5)])
def test_every_optimizer_learns(optimizer: str, rate: float, base: Path, tmp_path: Path):
    model, plan = prepared(base, epochs=10)
    epochs = trained(model, plan, tmp_path / "c", learning_rate=rate, optimizer=optimizer).epochs
    assert epochs[-1]["loss"] < epochs[0]["loss"] * 0.9
