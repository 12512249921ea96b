"""A training that was stopped or killed ends in the same weights as one that was not."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from pipelines.artifact import sha256_file
from tests.stopping import stopped_in_the_third_step

pytestmark = pytest.mark.slow

KINDS = ("masked", "causal", "denoising", "classifier")
# Those with something of their own to lose: state, or draws of the generator.
METHODS = (
    "adalora",
    "ewc",
    "fgm",
    "freelb",
    "r_drop",
    "sgd",
    "adafactor",
    "neftune",
    "cosine",
    "constant",
    "wsd",
    "prefix",
    "prompt",
    "tasks",
)
VARIANTS = (*KINDS, *(f"classifier+{method}" for method in METHODS))
ROOT = Path(__file__).parent.parent


class Trained(NamedTuple):
    """The loss of every step, and the digest of the weights at the end."""

    losses: list[float]
    weights: str


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    from models import backbone
    from models.scratch import scratch
    from tests import toy_models

    encoder = toy_models.encoder_folder(tmp_path_factory.mktemp("encoder"))
    decoder = tmp_path_factory.mktemp("decoder")
    backbone.save(*scratch("micro-decoder", toy_models.TEXTS * 3, 1), decoder)
    writer = tmp_path_factory.mktemp("encoder_decoder")
    backbone.save(*toy_models.written_by("t5"), writer)
    return dict.fromkeys(VARIANTS, encoder) | {"causal": decoder, "denoising": writer}


@pytest.fixture(scope="module")
def undisturbed(bases: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Trained]:
    """A training of some kind that nothing happened to."""
    from tests import train_toy

    @cache
    def trained(kind: str) -> Trained:
        folder = tmp_path_factory.mktemp(kind)
        record = train_toy.run(kind, bases[kind], folder)
        return Trained([row["loss"] for row in record.curve], digest(folder))

    return trained


def digest(folder: Path) -> str:
    return sha256_file(folder / "model" / "model.safetensors")


@pytest.mark.parametrize("kind", VARIANTS)
def test_a_stopped_training_goes_on_to_the_same_weights(kind, bases, undisturbed, tmp_path, monkeypatch):
    from models import train
    from models.schedule import Pace
    from tests import train_toy

    expected = undisturbed(kind)
    with stopped_in_the_third_step(monkeypatch) as steps:
        train_toy.run(kind, bases[kind], tmp_path)
    half_written = tmp_path / "checkpoints" / "part" / "checkpoint-4"
    half_written.mkdir(parents=True)
    (half_written / train.WEIGHTS).write_bytes(b"torn")
    record = train_toy.run(kind, bases[kind], tmp_path)
    assert [row["loss"] for row in record.curve] == expected.losses
    assert digest(tmp_path) == expected.weights
    assert [row["step"] for row in record.curve] == list(range(1, len(steps) + 1))
    model, _, plan = train_toy.prepared(kind, bases[kind])
    assert len(steps) == len(train_toy.with_method(kind.partition("+")[2], model, plan, Pace(1e-3))[1])


def test_each_method_ends_in_other_weights(undisturbed):
    assert len({undisturbed(kind).weights for kind in VARIANTS}) == len(VARIANTS)


def test_another_seed_ends_in_other_weights(bases, undisturbed, tmp_path, monkeypatch):
    from models.schedule import Pace
    from tests import train_toy

    monkeypatch.setattr(train_toy, "Pace", lambda rate: Pace(rate, seed=8))
    train_toy.run("masked", bases["masked"], tmp_path)
    assert digest(tmp_path) != undisturbed("masked").weights


def test_a_training_that_stopped_early_is_not_gone_on_with(bases, tmp_path, monkeypatch):
    from models import backbone, objectives, train
    from models.checkpoint import Checkpoints
    from models.schedule import Pace, Passes
    from tests import train_toy

    model, tokenizer = backbone.new_classifier(bases["classifier"], ["no", "yes"], 1, 64, 2)
    plan = objectives.label_plan(tokenizer, train_toy.PAIRS, [0] * len(train_toy.PAIRS), Passes(16, 6, 1))
    values = iter([0.3, 0.9, 0.5, 0.4, 0.1, 0.1])
    validation = train.Validation(lambda _: {"accuracy": next(values)}, "accuracy", higher_is_better=True, patience=2)
    first = train.train(model, plan, Pace(1e-3), Checkpoints(tmp_path), validation)
    weights = {n: p.clone() for n, p in model.named_parameters()}
    again = backbone.new_classifier(bases["classifier"], ["no", "yes"], 1, 64, 2)[0]
    second = train.train(again, plan, Pace(1e-3), Checkpoints(tmp_path), validation)
    assert (first.best_epoch, len(first.epochs)) == (2, 4)
    kept = [path.name for path in tmp_path.glob("best-*")]
    assert kept == ["best-2.safetensors"], "the best epoch of before, which a checkpoint knows of no more, is removed"
    assert second == first
    assert all((p == weights[n]).all() for n, p in again.named_parameters())


def test_a_loss_that_is_no_number_ends_the_training_with_its_step(bases, tmp_path):
    from dataclasses import replace

    from models import train
    from models.checkpoint import Checkpoints
    from models.schedule import Pace
    from tests import train_toy

    model, _, plan = train_toy.prepared("masked", bases["masked"])
    broken = replace(plan, loss=lambda m, batch: plan.loss(m, batch) * float("nan"))
    with pytest.raises(train.Diverged, match="nan at step 1; lower the learning rate"):
        train.train(model, broken, Pace(1e-3), Checkpoints(tmp_path))


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("kind", "number"),
    [
        *((kind, signal.SIGKILL) for kind in ("masked", "classifier+adalora", "classifier+tasks")),
        ("classifier", signal.SIGTERM),
    ],
)
def test_a_killed_process_goes_on_to_the_same_weights(kind, number, bases, undisturbed, tmp_path):
    process = start(kind, bases[kind], tmp_path, rest=0.3)
    deadline = time.monotonic() + 300
    while not list((tmp_path / "checkpoints").glob("checkpoint-[2-9]")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    output = process.communicate(timeout=300)[0]
    assert process.returncode != 0
    assert not (tmp_path / "model").exists()
    assert ("checkpoint saved at step" in output) == (number == signal.SIGTERM)
    process = start(kind, bases[kind], tmp_path, rest=0.0)
    assert "resumed from checkpoint-" in process.communicate(timeout=300)[0]
    assert process.returncode == 0
    assert digest(tmp_path) == undisturbed(kind).weights


def start(kind: str, base: Path, work: Path, rest: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.train_toy", kind, str(base), str(work), str(rest)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
