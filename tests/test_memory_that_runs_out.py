"""Where memory runs out, batches are cut into parts, with the result that they had as a whole."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests import toy_models

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("fp32")]

TEXTS = 8  # in a batch
MB = 2**20


@contextmanager
def room_for(megabytes: int) -> Iterator[None]:
    """Let this process have only so much memory more than it has; torch's allocator is refused the rest."""
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (held + megabytes * MB, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def wasteful(plan: Any, where: str = "reading") -> Any:
    """The plan, with 400 MB for each text that is read at once, needed for its states or for its gradients."""
    import torch

    def read(model: Any, batch: Any) -> Any:
        size = len(batch["input_ids"]) * 100 * MB  # of four bytes
        if where == "reading":
            torch.empty(size)
            return plan.loss.read(model, batch)

        def watch(_: Any, __: Any, embedded: Any) -> None:  # when all layers above have their gradients already
            embedded.register_hook(lambda slope: slope if torch.empty(size).numel() else None)

        handle = model.base_model.get_input_embeddings().register_forward_hook(watch)
        found = plan.loss.read(model, batch)
        handle.remove()
        return found

    return replace(plan, loss=replace(plan.loss, read=read))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_models.encoder_folder(tmp_path_factory.mktemp("base"))


def prepared(base: Path, dropout: float = 0.0, size: int = TEXTS) -> tuple[Any, Any]:
    from models import backbone, objectives
    from models.methods import set_dropout
    from models.schedule import Passes

    model, tokenizer = backbone.new_classifier(base, ["no", "yes"], 1, 64, 1)
    set_dropout(model, dropout)
    texts = [(text,) for text in toy_models.TEXTS[:48]]
    return model, objectives.label_plan(tokenizer, texts, [n % 2 for n in range(48)], Passes(size, 1, 1))


def trained(model: Any, plan: Any, folder: Path, **pace: Any) -> Any:
    from models.checkpoint import Checkpoints
    from models.schedule import Pace
    from models.train import train

    return train(model, plan, Pace(0.1, optimizer="sgd", **pace), Checkpoints(folder, every=1e9))


def weights(model: Any) -> list[Any]:
    return [p.detach().clone() for p in model.parameters()]


@pytest.mark.parametrize("where", ["reading", "gradients"])
@pytest.mark.parametrize("accumulation", [1, 2])
def test_two_halves_end_where_one_batch_ends(where, accumulation, base, tmp_path, capsys):
    import torch

    model, plan = prepared(base)
    whole = trained(model, plan, tmp_path / "whole", accumulation=accumulation)
    other, _ = prepared(base)
    with room_for(2400):
        parts = trained(other, wasteful(plan, where), tmp_path / "parts", accumulation=accumulation)
    assert (whole.parts, parts.parts) == (1, 2)
    assert "memory ran out at step 1: batches are learned from in 2 parts now" in capsys.readouterr().out
    for one, two in zip(weights(model), weights(other), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-5)
    for one, two in zip(whole.curve, parts.curve, strict=True):
        assert one["tokens"] == two["tokens"]
        assert one["loss"] == pytest.approx(two["loss"], rel=1e-3)


def test_batches_are_halved_as_often_as_it_takes(base, tmp_path):
    model, plan = prepared(base)
    with room_for(1000):
        assert trained(model, wasteful(plan), tmp_path).parts == 4


def test_words_that_are_moved_are_forgotten_when_a_reading_breaks_off(base, tmp_path):
    import torch

    from models.hooks import FreeLargeBatch

    found = []
    for name, change in (("whole", lambda plan: plan), ("parts", wasteful)):
        model, plan = prepared(base)
        with room_for(2400):
            record = trained(model, change(replace(plan, hooks=[FreeLargeBatch(0.3, 3)])), tmp_path / name)
        found.append((record.parts, weights(model)))
    assert [parts for parts, _ in found] == [1, 2]
    for one, two in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-5)


def test_a_training_that_was_killed_after_it_goes_on_in_parts_to_the_same_weights(base, tmp_path, monkeypatch):
    import torch

    from models import train
    from models.checkpoint import last_checkpoint

    model, plan = prepared(base, dropout=0.2)
    with room_for(2400):
        undisturbed = trained(model, wasteful(plan), tmp_path / "undisturbed")

    def killed(self: Any, *given: Any) -> Any:
        if self.state.global_step == 3:
            raise KeyboardInterrupt
        return learn(self, *given)

    learn = train.PlanTrainer.training_step
    monkeypatch.setattr(train.PlanTrainer, "training_step", killed)
    with room_for(2400), pytest.raises(KeyboardInterrupt):
        trained(prepared(base, dropout=0.2)[0], wasteful(plan), tmp_path / "killed")
    monkeypatch.undo()
    assert last_checkpoint(tmp_path / "killed") == str(tmp_path / "killed" / "checkpoint-1"), "saved when it halved"
    other, _ = prepared(base, dropout=0.2)
    record = trained(other, plan, tmp_path / "killed")  # with room enough
    assert (undisturbed.parts, record.parts) == (2, 2)
    assert all(torch.equal(one, two) for one, two in zip(weights(model), weights(other), strict=True))


def test_what_cannot_be_cut_further_is_said_with_the_cure(base, tmp_path):
    from models import contrast
    from models.backbone import load_bi_encoder
    from models.parts import OutOfMemory
    from models.schedule import Passes
    from pipelines.errors import Refused
    from pipelines.training import refused_when_diverged

    model, plan = prepared(base)
    with (
        room_for(200),
        pytest.raises(OutOfMemory, match="ran out at step 1, and what is read at once is a single text"),
    ):
        trained(model, wasteful(plan), tmp_path / "single")
    model, tokenizer = load_bi_encoder(base, 64)
    pairs = list(pairwise(toy_models.TEXTS))
    told = wasteful(contrast.contrast_plan(tokenizer, pairs[:16], Passes(TEXTS, 1, 1)))
    with (
        room_for(2400),
        pytest.raises(Refused, match=r"told from all others of it: make the batch smaller"),
        refused_when_diverged(),
    ):
        trained(model, told, tmp_path / "contrast")


def test_other_errors_are_not_taken_for_it(base, tmp_path):
    import torch

    from models.parts import ran_out

    model, plan = prepared(base)

    def broken(*_: Any) -> Any:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        trained(model, replace(plan, loss=replace(plan.loss, read=broken)), tmp_path)
    assert ran_out(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."))
    assert ran_out(MemoryError())
    assert not ran_out(RuntimeError("CUDA error: an illegal memory access was encountered"))


def plans(base: Path) -> dict[str, Callable[[], tuple[Any, Any]]]:
    """Of each loss, a model and a plan whose batches have more answers in one half than in the other."""
    from models import backbone, few_shot, objectives
    from models.prompt import Prompt
    from models.schedule import Passes
    from tests.train_toy import prepared as toy

    texts = [(" ".join(toy_models.TEXTS[n : n + 1 + n % 3]),) for n in range(32)]

    def classifier(kind: str) -> tuple[Any, Any]:
        model, tokenizer = backbone.new_classifier(base, ["no", "yes"], 1, 64, 1)
        passes = Passes(TEXTS, 1, 1)
        if kind == "sets":
            return model, objectives.label_set_plan(tokenizer, texts, [[n % 2, 1.0] for n in range(32)], passes)
        if kind == "pairs":
            return model, few_shot.pair_plan(tokenizer, texts, [n % 2 for n in range(32)], 1, passes)
        return model, objectives.label_plan(tokenizer, texts, [n % 2 for n in range(32)], passes)

    def writer() -> tuple[Any, Any]:
        tokenizer = toy_models.decoder_tokenizer()
        pairs = [("Prompt", text) for (text,) in texts]
        return toy_models.decoder(len(tokenizer)), objectives.completion_plan(tokenizer, pairs, 64, Passes(7, 1, 1))

    def masked() -> tuple[Any, Any]:
        model, _, plan = toy("masked", base)
        return model, plan

    found = {kind: lambda kind=kind: classifier(kind) for kind in ("labels", "sets", "pairs")}

    def remembered() -> tuple[Any, Any]:
        from models.continual import Remembering

        (model, plan), (teacher, _) = writer(), writer()
        loss = plan.loss
        kept = Remembering(loss.read, loss.criterion, loss.r_drop, loss.first, teacher=teacher.eval(), weight=1.0)
        return model, replace(plan, loss=kept)

    def written() -> tuple[Any, Any]:
        from models import encoder_decoder

        model, tokenizer = toy_models.written_by("t5")
        pairs = [(Prompt("Prompt"), text) for (text,) in texts]
        return model, encoder_decoder.pair_plan(tokenizer, pairs, 64, Passes(7, 1, 1))

    writers = {"completions": writer, "remembered": remembered, "written": written}
    return found | writers | {"masked": masked}


@pytest.mark.parametrize("kind", ["labels", "sets", "pairs", "completions", "remembered", "written", "masked"])
def test_a_loss_is_the_weighed_sum_of_those_of_its_parts(kind: str, base: Path):
    from models.parts import parts

    model, plan = plans(base)[kind]()
    model.eval()
    for number in range(2):
        whole = plan.loss(model, plan[number]).item()
        halves = list(parts(plan, number, 2))
        assert len(halves) == 2
        assert sum(weight for _, weight in halves) == pytest.approx(1)
        assert sum(weight * plan.loss(model, part).item() for part, weight in halves) == pytest.approx(whole, rel=1e-5)


def test_checkpoints_are_saved_after_so_many_steps(base, tmp_path):
    from models.checkpoint import Checkpoints
    from models.schedule import Pace
    from models.train import train

    for steps, last in ((0, set()), (4, {"checkpoint-4"}), (5, {"checkpoint-5"})):
        model, plan = prepared(base)
        train(model, plan, Pace(1e-3), Checkpoints(tmp_path / str(steps), 1e9, steps))
        assert {path.name for path in (tmp_path / str(steps)).glob("checkpoint-*")} == last
