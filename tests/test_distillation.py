"""A student learns the answers of its teacher, and the loss is that of the paper."""

from pathlib import Path

import pytest
import torch  # noqa: TID253 - tests of models need it

from models.distillation import Distilling, with_answers
from models.packing import IGNORED
from tests.toy_models import TEXTS, encoder_folder

OURS, THEIRS = torch.tensor([[0.0, 1.0], [2.0, -1.0]]), torch.tensor([[3.0, 0.0], [0.5, 0.0]])


def loss_of(labels: list[int], temperature: float, weight: float) -> float:
    loss = Distilling(lambda _, batch: (OURS, batch["labels"]), temperature=temperature, weight=weight)
    return float(loss(None, {"labels": torch.tensor(labels), "known": THEIRS}))


def divergence(row: int, temperature: float) -> float:
    p, q = (one[row].div(temperature).softmax(0) for one in (THEIRS, OURS))
    return float((p * (p / q).log()).sum())


def test_the_loss_is_the_weighted_mean_of_the_softened_answers_and_the_labels():
    wrong = [-float(OURS[row].softmax(0)[label].log()) for row, label in ((0, 1), (1, 0))]
    expected = sum(0.7 * 3.0**2 * divergence(row, 3.0) + 0.3 * wrong[row] for row in (0, 1)) / 2
    assert loss_of([1, 0], 3.0, 0.7) == pytest.approx(expected)


def test_a_text_without_a_label_has_the_answer_of_the_teacher_alone():
    wrong = -float(OURS[0].softmax(0)[1].log())
    expected = (0.7 * 4 * divergence(0, 2.0) + 0.3 * wrong + 4 * divergence(1, 2.0)) / 2
    assert loss_of([1, IGNORED], 2.0, 0.7) == pytest.approx(expected)


def test_the_gradient_keeps_its_size_at_a_high_temperature():
    """For which the loss has the square of the temperature: it then nears half of the squared distance of logits."""

    def slope(temperature: float) -> torch.Tensor:
        ours = OURS.clone().requires_grad_()
        loss = Distilling(lambda *_: (ours, torch.tensor([1, 0])), temperature=temperature)
        torch.autograd.backward(loss(None, {"known": THEIRS}))
        return ours.grad

    apart = OURS - THEIRS
    expected = (apart - apart.mean(-1, keepdim=True)) / 2 / 2  # over two labels and two texts
    torch.testing.assert_close(slope(1000.0), expected, rtol=1e-2, atol=1e-3)


@pytest.mark.slow
def test_a_student_with_another_tokenizer_ends_near_its_teacher(tmp_path: Path):
    from models import backbone
    from models.checkpoint import Checkpoints
    from models.objectives import label_plan
    from models.predict import logits
    from models.schedule import Pace, Passes
    from models.scratch import scratch
    from models.train import train

    backbone.save(*scratch("micro-encoder", TEXTS, 1), tmp_path / "large")
    labels = sorted({text.split()[0] for text in TEXTS})
    texts, numbers = [(text,) for text in TEXTS], [labels.index(text.split()[0]) for text in TEXTS]
    passes = Passes(16, 25, 1)
    teacher, words = backbone.new_classifier(tmp_path / "large", labels, 1, 32, 1)
    train(teacher, label_plan(words, texts, numbers, passes), Pace(3e-3), Checkpoints(tmp_path / "teacher"))
    known = logits(teacher, words, texts)
    encoder_folder(tmp_path / "small")
    student, pieces = backbone.new_classifier(tmp_path / "small", labels, 1, 32, 1)

    def apart() -> float:
        ours = logits(student, pieces, texts).log_softmax(-1)
        return float(torch.nn.functional.kl_div(ours, known.softmax(-1), reduction="batchmean"))

    before = apart()
    plan = with_answers(label_plan(pieces, texts, [IGNORED] * len(texts), passes), known, 2.0, 0.5)
    train(student, plan, Pace(5e-3), Checkpoints(tmp_path / "student"))
    assert apart() < before / 10
    assert (logits(student, pieces, texts).argmax(-1) == known.argmax(-1)).float().mean() > 0.95
