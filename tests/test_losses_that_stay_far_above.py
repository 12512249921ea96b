"""A loss that stays far above what it was ends the training; odd texts, spikes and tasks that take turns do not."""

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest

from models.divergence import LEAST_BATCHES, gone_on, run_of


def ends(losses, run: int = LEAST_BATCHES) -> int | None:
    """The number of the loss at which a training is given up, if it is."""
    course = None
    for number, loss in enumerate(losses):
        course = gone_on(course, loss, number, run)
        if course.far == run:
            return number
    return None


def noisy(levels, spread: float = 0.3, seed: int = 1):
    draw = random.Random(seed).gauss
    return [max(0.0, level * (1 + spread * draw(0, 1))) for level in levels]


def falling(start: float, end: float, count: int):
    return [end + (start - end) * math.exp(-5 * n / count) for n in range(count)]


@pytest.mark.parametrize(
    ("losses", "last"),
    [
        ([*noisy(falling(11, 3, 200), 0.03), *[50.0] * 100], 219),  # while it learns from nothing
        ([3.0, *[50.0] * 100], 20),  # at once: no other loss was ever seen
        ([*noisy([3.0] * 10, 0.05), *[50.0] * 100], 29),  # before the first run is over
        ([*noisy([0.01] * 100), *[4.0] * 100], 119),  # from a loss that is all but nothing
        ([*noisy([3.0] * 100, 0.05), *(7.5 + n % 3 for n in range(100))], 119),  # to a language of single words
    ],
)
def test_a_loss_that_rises_and_stays_ends_the_training_a_run_later(losses, last):
    assert ends(losses) == last


@pytest.mark.parametrize(
    "losses",
    [
        noisy(falling(11, 2, 3000), 0.2),  # from scratch
        noisy([3.0 + 0.5 * math.exp(-((n - 60) ** 2) / 900) for n in range(1000)], 0.1),  # a re-warmed rate
        [*[0.2] * 50, 80.0, *[0.2] * 50],  # an odd batch
        [*[3.0] * 50, *[9.0] * 19, *[3.0] * 50],  # a spike that comes down again
        [0.5, *noisy([3.5] * 500, 0.2)],  # an easy text at the beginning
        [0.7, 0.6, *noisy([0.01] * 500, 1.0), *noisy([0.5] * 500, 1.0)],  # labels known by heart, and new ones
        [random.Random(n).choice([0.001, 0.001, 9.0]) for n in range(5000)],  # one text a batch, some labels wrong
        [random.Random(n).choice([0.01, 6.0, 6.0, 6.0]) for n in range(5000)],  # mostly hard
    ],
)
def test_what_trainings_meet_ends_none(losses):
    assert ends(losses) is None


def test_a_long_training_waits_for_a_share_of_itself():
    assert [run_of(batches) for batches in (1, 100, 1000, 20_000)] == [20, 20, 50, 1000]


@pytest.fixture
def toy(tmp_path):
    """A model, and a plan of sixty batches for it."""
    from tests import toy_models, train_toy

    model, _, plan = train_toy.prepared("classifier", toy_models.encoder_folder(tmp_path / "encoder"))
    batches = [batch for epoch in plan.epochs for batch in epoch]
    return model, replace(plan, epochs=[(batches * 60)[:60]])


def trained(toy, folder: Path, rate: float):
    from models.checkpoint import Checkpoints
    from models.schedule import Pace
    from models.train import train

    model, plan = toy
    pace = Pace(rate, optimizer="sgd", schedule="constant")
    return train(model, plan, pace, Checkpoints(folder, every=1e9, steps=10))


def test_an_absurd_rate_is_told_with_its_step_and_the_batch_where_it_began(toy, tmp_path):
    import torch
    from safetensors.torch import load_file

    from pipelines.errors import Refused
    from pipelines.training import refused_when_diverged

    with (
        pytest.raises(Refused, match=r"went from .* to \d.* for 20 batches in a row, .* at step \d+") as caught,
        refused_when_diverged(),
    ):
        trained(toy, tmp_path / "work", 300.0)
    path = next((tmp_path / "work").glob("diverged-*.safetensors"))
    step = int(path.stem.split("-")[1])
    assert f"at step {step}; lower the learning rate" in str(caught.value)
    assert str(path) in str(caught.value)
    first = toy[1][step - 1]
    assert all(torch.equal(tensor, first[name]) for name, tensor in load_file(path).items())


@pytest.mark.parametrize("odd", [range(30, 31), range(30, 49)])
def test_odd_batches_that_end_do_not_end_the_training(odd, toy, tmp_path):
    model, plan = toy
    assert trained((model, with_odd(plan, odd)), tmp_path, 1e-3).curve[-1]["step"] == 60


def test_a_training_that_was_stopped_while_its_loss_was_far_ends_at_the_same_batch(toy, tmp_path):
    """Killed after step 40, of whose losses ten were far: the eleventh follows, not the first again."""
    from copy import deepcopy

    from models.divergence import Diverged

    model, plan = toy
    plan = with_odd(plan, range(30, 60))
    with pytest.raises(Diverged, match="20 batches in a row, the first at step 31") as whole:
        trained((deepcopy(model), plan), tmp_path / "whole", 1e-3)
    killed = replace(plan, loss=Killed(plan.loss, 45))
    with pytest.raises(KeyboardInterrupt):
        trained((deepcopy(model), killed), tmp_path / "killed", 1e-3)
    with pytest.raises(Diverged) as resumed:
        trained((model, plan), tmp_path / "killed", 1e-3)
    assert str(resumed.value) == str(whole.value).replace(str(tmp_path / "whole"), str(tmp_path / "killed"))


def test_a_checkpoint_of_before_has_no_course_and_is_gone_on_with():
    from models.record import Record

    assert Record(curve=[], epochs=[], losses=[0.5], tokens=9).courses == {}


def with_odd(plan, odd):
    """The plan with another loss, a hundred times as large, for batches of these numbers."""
    loss, collate = plan.loss, plan.collate
    numbered = [[(number, item) for item in items] for number, items in enumerate(plan.epochs[0])]

    def with_number(items, epoch):
        return collate([item for _, item in items], epoch) | {"factor": 100.0 if items[0][0] in odd else 1.0}

    def scaled(model, batch):
        read = {name: tensor for name, tensor in batch.items() if name != "factor"}
        return loss(model, read) * batch["factor"]

    return replace(plan, epochs=[numbered], collate=with_number, loss=scaled)


class Killed:
    """A loss that breaks off before it reads so many batches."""

    def __init__(self, loss, batches: int) -> None:
        self.loss, self.left = loss, batches

    def __call__(self, model, batch):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return self.loss(model, batch)
