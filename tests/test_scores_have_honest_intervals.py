"""Metrics agree with scikit-learn and with hand values; their bootstrap intervals are paired, seeded and cover."""

import math
import time

import numpy as np
import pytest

from models import metrics, statistics, text_metrics
from models.statistics import interval
from models.tasks import TASKS


def answers(count=300, skill=1.0, seed=0):
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, count)
    probability = 1 / (1 + np.exp(-(random.normal(size=count) + skill * (2 * truth - 1))))
    names = np.array(["no", "yes"])
    return [
        {"id": str(n), "label": names[t], "prediction": names[int(p >= 0.5)], "probability": float(p)}
        for n, (t, p) in enumerate(zip(truth, probability, strict=True))
    ]


def test_metrics_of_four_answers_are_those_computed_by_hand():
    truth, said = ["yes", "yes", "no", "no"], ["yes", "no", "no", "no"]
    assert metrics.accuracy(truth, said) == 0.75
    assert metrics.macro_f1(truth, said) == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert metrics.auc([True, True, False, False], [0.9, 0.4, 0.4, 0.1]) == 0.875
    assert metrics.expected_calibration_error([0.95, 0.85, 0.65, 0.65], [1, 1, 1, 0]) == pytest.approx(0.125)
    assert metrics.bits_per_byte([8, 4], [2, 4]) == 2


def test_auc_of_one_label_is_not_a_number():
    assert math.isnan(metrics.auc([True, True], [0.2, 0.4]))


@pytest.mark.parametrize("skill", [0.0, 1.0])
def test_the_bootstraps_statistics_equal_the_metrics(skill):
    task = TASKS["pair_classification"]
    rows = answers(skill=skill)
    for name, statistic in task.statistics(rows).items():
        assert statistic(np.ones((1, len(rows))))[0] == pytest.approx(task.metrics(rows)[name]), name


def test_the_bootstraps_statistics_equal_the_metrics_on_any_resample():
    task, rows = TASKS["pair_classification"], answers(60)
    drawn = np.random.default_rng(1).integers(0, 60, 60)
    weights = np.bincount(drawn, minlength=60)[None, :].astype(float)
    again = task.metrics([rows[n] for n in drawn])
    for name, statistic in task.statistics(rows).items():
        assert statistic(weights)[0] == pytest.approx(again[name]), name


def test_three_labels_have_no_auc():
    rows = [{"id": n, "label": n, "prediction": "a", "probability": 0.5} for n in "abc"]
    assert set(TASKS["pair_classification"].metrics(rows)) == {"accuracy", "f1", "ece"}


def test_a_95_percent_interval_covers_the_truth_about_95_times_of_100():
    random = np.random.default_rng(3)
    inside = 0
    for seed in range(200):
        found = interval(statistics.mean(random.random(150) < 0.7), range(150), seed=seed, resamples=400)
        inside += found.low <= 0.7 <= found.high
    assert 180 <= inside <= 198


def test_the_interval_of_a_mean_is_that_of_the_normal_theory():
    right = np.repeat([1.0, 0.0], [700, 300])
    found = interval(statistics.mean(right), range(1000), seed=0)
    assert found.value == 0.7
    assert found.low == pytest.approx(0.7 - 1.96 * 0.01449, abs=0.004)
    assert found.high == pytest.approx(0.7 + 1.96 * 0.01449, abs=0.004)


def test_the_same_seed_gives_the_same_interval_and_another_does_not():
    right = statistics.mean(np.arange(99) % 2)
    assert interval(right, range(99), seed=1) == interval(right, range(99), seed=1)
    assert interval(right, range(99), seed=1) != interval(right, range(99), seed=2)


def test_the_difference_of_two_models_is_paired():
    right = np.random.default_rng(0).random(500) < 0.7
    better = right.copy()
    better[np.flatnonzero(~right)[:10]] = True
    found = interval(statistics.difference(statistics.mean(better), statistics.mean(right)), range(500), seed=0)
    assert found.value == pytest.approx(0.02)
    assert found.low > 0, "ten answers better and none worse is better on nearly every resample"
    assert found.high - found.low < 0.03, "unpaired it would be over 0.1 wide"


def test_examples_of_one_document_widen_the_interval():
    right = np.repeat(np.random.default_rng(0).random(100) < 0.6, 5)
    documents = np.repeat(np.arange(100), 5).tolist()
    alone, grouped = (interval(statistics.mean(right), g, seed=0) for g in (range(500), documents))
    assert (grouped.high - grouped.low) > 1.8 * (alone.high - alone.low)


def test_rouge_l_reads_words_in_english_and_characters_in_chinese():
    references, answers = (
        [["Deletes the table."], ["a b c d"], ["one"], ["机器学习"]],
        ["deletes the tables", "a b", "two", "机器学习"],
    )
    same, half, none, chinese = (found["rouge_l"] for found in text_metrics.rouge(answers, references, answers))
    assert (same, none, chinese) == (1, 0, 1)
    assert half == pytest.approx(2 / 3)


def test_a_generated_text_is_judged_by_overlap_and_by_the_bits_of_its_reference():
    task = TASKS["generation"]
    rows = [{"rouge_l": 1.0, "bits": 16, "bytes": 8}, {"rouge_l": 0.0, "bits": 8, "bytes": 16}]
    assert task.metrics(rows) == {"rouge_l": 0.5, "bits_per_byte": 1.0}
    assert set(task.metrics([{"rouge_l": 0.25}])) == {"rouge_l"}


def test_every_metric_of_every_task_says_which_way_is_better():
    assert all(task.primary in metrics.HIGHER_IS_BETTER for task in TASKS.values())
    assert set(TASKS["pair_classification"].metrics(answers())) <= set(metrics.HIGHER_IS_BETTER)


def test_two_thousand_resamples_of_five_thousand_examples_take_seconds():
    rows = answers(5000)
    start = time.process_time()
    for statistic in TASKS["pair_classification"].statistics(rows).values():
        interval(statistic, range(5000), seed=0)
    assert time.process_time() - start < 10
