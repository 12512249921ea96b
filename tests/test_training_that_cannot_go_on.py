"""A training that cannot go on says why, and keeps what it takes to find the reason and to go on later."""

from dataclasses import replace
from types import SimpleNamespace

import pytest


@pytest.fixture
def toy(tmp_path):
    """A model, and a plan of a few batches for it."""
    from tests import toy_models, train_toy

    model, _, plan = train_toy.prepared("masked", toy_models.encoder_folder(tmp_path / "encoder"))
    return model, plan


def test_the_batch_whose_loss_is_no_number_is_saved_and_named(toy, tmp_path):
    import torch
    from safetensors.torch import load_file

    from models import train
    from models.checkpoint import Checkpoints
    from models.schedule import Pace

    model, plan = toy
    broken = replace(plan, loss=lambda m, batch: plan.loss(m, batch) * float("nan"))
    path = tmp_path / "work" / "diverged-1.safetensors"
    with pytest.raises(train.Diverged, match="nan at step 1; lower the learning rate") as caught:
        train.train(model, broken, Pace(1e-3), Checkpoints(path.parent))
    assert str(path) in str(caught.value)
    saved, first = load_file(path), plan[0]
    assert saved.keys() == first.keys()
    assert all(torch.equal(saved[name], first[name]) for name in first)


def test_a_checkpoint_that_would_not_fit_is_not_begun_and_the_one_before_stays_whole(toy, tmp_path, monkeypatch):
    from models import checkpoint, train
    from models.schedule import Pace

    model, plan = toy
    folder = tmp_path / "work"
    free = iter([10**9, 10**3])
    monkeypatch.setattr(checkpoint.shutil, "disk_usage", lambda _: SimpleNamespace(free=next(free)))
    with pytest.raises(checkpoint.NoSpace, match=r"disk is full .* needs [\d.]+ MB and 0\.0 MB are free"):
        train.train(model, plan, Pace(1e-3), checkpoint.Checkpoints(folder, every=0.0))
    assert checkpoint.last_checkpoint(folder) == str(folder / "checkpoint-1")
    assert {path.name for path in folder.iterdir()} == {"checkpoint-1"}
    monkeypatch.undo()
    assert train.train(model, plan, Pace(1e-3), checkpoint.Checkpoints(folder)).curve, "it goes on from there"
