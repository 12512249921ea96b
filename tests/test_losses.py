"""Losses do what their papers say, and parts of a batch add up to it."""

import pytest


def example():
    """Logits of eight answers out of three, and the right ones."""
    import torch

    torch.manual_seed(4)
    return torch.randn(8, 3, requires_grad=True), torch.tensor([0, 0, 0, 0, 1, 1, 2, 0])


def test_without_anything_it_is_cross_entropy_and_smoothing_is_torchs_own():
    import torch
    from torch.nn.functional import cross_entropy

    from models.losses import Criterion

    logits, labels = example()
    torch.testing.assert_close(Criterion()(logits, labels), cross_entropy(logits, labels))
    smooth = cross_entropy(logits, labels, label_smoothing=0.2)
    torch.testing.assert_close(Criterion(smoothing=0.2)(logits, labels), smooth)


def test_the_focal_loss_shrinks_with_how_right_an_answer_is():
    import torch

    from models.losses import Criterion

    logits, labels = example()
    right = logits.softmax(-1)[torch.arange(8), labels]
    expected = (-((1 - right) ** 2) * right.log()).mean()
    torch.testing.assert_close(Criterion(focus=2.0)(logits, labels), expected)
    sure = torch.tensor([[200.0, 0.0]], requires_grad=True)
    Criterion(focus=0.5)(sure, torch.tensor([0])).backward()
    assert torch.isfinite(sure.grad).all()


def test_rare_labels_weigh_more_but_at_most_ten_times_and_all_examples_one_on_average():
    from models.losses import class_weights

    counts = (600, 300, 2)
    weights = class_weights(counts)
    assert weights[1] / weights[0] == pytest.approx(2)
    assert weights[2] / weights[0] == pytest.approx(10)
    assert sum(w * c for w, c in zip(weights, counts, strict=True)) == pytest.approx(sum(counts))
    assert class_weights((5, 5)) == (1.0, 1.0)


def test_parts_of_a_batch_add_up_to_it_even_where_labels_have_weights():
    import torch

    from models.losses import Criterion, class_weights

    logits, labels = example()
    criterion = Criterion(0.1, 1.0, class_weights((5, 2, 1)))
    parts = sum(criterion(logits[n : n + 2], labels[n : n + 2]) for n in range(0, 8, 2)) / 4
    torch.testing.assert_close(parts, criterion(logits, labels))
    assert not torch.isclose(parts, Criterion(0.1, 1.0)(logits, labels))


def test_r_drop_adds_how_far_two_readings_lie_apart():
    import torch
    from torch.distributions import Categorical, kl_divergence

    from models.losses import Loss

    logits, labels = example()
    other = torch.randn(8, 3)
    readings = iter([logits, other])
    found = Loss(lambda *_: (next(readings), labels), r_drop=3.0)(None, {})
    p, q = Categorical(logits=logits), Categorical(logits=other)
    between = (kl_divergence(p, q) + kl_divergence(q, p)).mean() / 2
    plain = [torch.nn.functional.cross_entropy(tensor, labels) for tensor in (logits, other)]
    torch.testing.assert_close(found, (plain[0] + plain[1] + 3 * between) / 2)
    same = Loss(lambda *_: (logits, labels), r_drop=3.0)(None, {})
    torch.testing.assert_close(same, plain[0])
