"""Metrics agree with scikit-learn and with hand values; their bootstrap intervals are paired, seeded and cover."""

import math
import time

import numpy as np
import pytest

from models import bootstrap, metrics, statistics, text_metrics
from models.bootstrap import difference, interval, resampled
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


def test_a_model_of_three_labels_is_as_sure_as_it_says_where_only_two_of_them_occur():
    from models.tasks.labels import answer_of, certainty

    said = ({"a": 0.6, "b": 0.3, "c": 0.1}, {"a": 0.2, "b": 0.7, "c": 0.1})
    rows = [{"id": n, "label": "a", **answer_of(chances)} for n, chances in enumerate(said)]
    confidence, correct = certainty(rows)
    assert confidence.tolist() == [0.6, 0.7]
    assert correct.tolist() == [1, 0]
    assert "auc" not in TASKS["pair_classification"].metrics(rows), "the two probabilities are of two labels"


def test_a_model_of_two_labels_is_as_sure_as_it_says_where_a_third_occurs():
    from models.tasks.labels import answer_of, certainty

    rows = [
        {"id": n, "label": label, **answer_of({"no": 0.8, "yes": 0.2})}
        for n, label in enumerate(("no", "maybe", "yes"))
    ]
    assert certainty(rows)[0].tolist() == [0.8, 0.8, 0.8]


def test_rows_of_one_label_alone_have_no_metric_of_clicks():
    rows = [{"id": str(n), "user_id": "u", "label": "1", "prediction": "1", "probability": 0.9} for n in range(3)]
    assert TASKS["recommendation"].metrics(rows) == {}
    assert TASKS["recommendation"].statistics(rows) == {}


def test_one_true_label_has_no_auc_though_the_model_said_another():
    rows = [{"id": n, "label": "no", "prediction": said, "probability": 0.5} for n, said in enumerate(["no", "yes"])]
    task = TASKS["pair_classification"]
    assert set(task.metrics(rows)) == set(task.statistics(rows)) == {"accuracy", "f1", "ece"}


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
    right = statistics.mean(np.random.default_rng(0).random(99))
    assert interval(right, range(99), seed=1) == interval(right, range(99), seed=1)
    assert interval(right, range(99), seed=1) != interval(right, range(99), seed=2)


def test_the_difference_of_two_models_is_paired():
    right = np.random.default_rng(0).random(500) < 0.7
    better = right.copy()
    better[np.flatnonzero(~right)[:10]] = True
    found = interval(difference(statistics.mean(better), statistics.mean(right)), range(500), seed=0)
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


def means(count, seed=0):
    """Two models' scores of the same examples, all different, and what they differ by."""
    random = np.random.default_rng(seed)
    ours, theirs = random.gamma(2, size=(2, count))
    return difference(statistics.mean(ours), statistics.mean(theirs)), ours - theirs


def test_a_difference_sums_once_what_both_models_share():
    random = np.random.default_rng(0)
    size, *bits = random.random((3, 50)) + 0.5
    weights = random.multinomial(50, np.full(50, 0.02), 20).astype(float)
    one, other = (statistics.ratio(of, size) for of in bits)
    gap = difference(one, other)
    assert gap.rows.shape[1] == 3
    assert gap(weights) == pytest.approx(one(weights) - other(weights))
    three, two = list("aabbc") * 10, list("ab") * 25
    unlike = statistics.macro_f1(three, three[::-1]), statistics.macro_f1(two, two[:1] * 50)
    assert difference(*unlike)(weights) == pytest.approx(unlike[0](weights) - unlike[1](weights))


WAYS = {"kinds": bootstrap._by_kinds, "one by one": bootstrap._one_by_one, "coins": bootstrap._by_coins}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_way_to_draw_has_the_spread_that_theory_says(way, monkeypatch):
    monkeypatch.setattr(bootstrap, "_way", lambda *_: way)
    gap, differences = means(4001)
    found = resampled(gap, range(4001), seed=1, resamples=4000)
    error = differences.std() / math.sqrt(4001)
    assert found.mean() == pytest.approx(differences.mean(), abs=4 * error / math.sqrt(4000))
    assert found.std() == pytest.approx(error, rel=0.05)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_way_draws_whole_groups(way, monkeypatch):
    monkeypatch.setattr(bootstrap, "_way", lambda *_: way)
    found = resampled(statistics.mean([1, 1, 1, 0, 0]), ["a", "a", "a", "b", "b"], seed=1, resamples=500)
    known = found[np.isfinite(found)]  # two coins may say that nobody counts
    assert set(known.tolist()) == {0.0, 0.6, 1.0}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_wide_table_of_counts_is_drawn_as_its_weights_would_be(way, monkeypatch):
    random = np.random.default_rng(2)
    truth, said = (random.integers(0, 9, 2000).astype(str) for _ in range(2))
    f1 = statistics.macro_f1(truth, said)
    assert f1.rows.shape[1] > bootstrap.NARROW
    monkeypatch.setattr(bootstrap, "_way", lambda *_: way)
    found = resampled(f1, range(2000), seed=3, resamples=2000)
    weighed = resampled(f1.__call__, range(2000), seed=3, resamples=2000)
    assert found.std() == pytest.approx(weighed.std(), rel=0.08)
    assert found.mean() == pytest.approx(weighed.mean(), abs=0.001)


@pytest.mark.parametrize(
    ("statistic", "count"),
    [
        (statistics.mean(np.arange(20_001) % 2), 20_001),
        (statistics.mean(np.random.default_rng(0).random(20_001)), 20_001),
        (statistics.mean(np.random.default_rng(0).random(501)), 501),
        (statistics.auc(np.arange(501) % 2 == 0, np.random.default_rng(0).random(501)), 501),
        (statistics.expected_calibration_error(np.random.default_rng(0).random(501), np.arange(501) % 2), 501),
    ],
    ids=["kinds", "coins", "one by one", "weights", "wide"],
)
def test_threads_share_the_work_and_change_nothing(statistic, count):
    one, two, many = (resampled(statistic, range(count), seed=5, resamples=10_001, threads=n) for n in (1, 2, 7))
    assert np.array_equal(one, two)
    assert np.array_equal(one, many)


def test_an_auc_of_many_examples_is_that_of_few_to_first_order(monkeypatch):
    random = np.random.default_rng(4)
    positive = random.random(900) < 0.3
    chance = np.round(random.normal(positive, 1.2), 1)  # with ties
    exact = statistics.auc(positive, chance)
    monkeypatch.setattr(statistics, "PLACED", 899)
    placed = statistics.auc(positive, chance)
    once = np.ones((1, 900))
    assert placed(once)[0] == pytest.approx(exact(once)[0])
    weights = random.multinomial(900, np.full(900, 1 / 900), 50).astype(float)
    spread = exact(weights).std()
    assert np.abs(placed(weights) - exact(weights)).max() < 0.1 * spread


def test_ten_thousand_resamples_of_a_hundred_thousand_examples_take_seconds():
    gap, _ = means(100_000)
    right = statistics.mean(np.random.default_rng(1).random(100_000) < 0.8)
    start = time.process_time()
    interval(gap, range(100_000), seed=0)
    interval(right, range(100_000), seed=0)
    assert time.process_time() - start < 10, "of all threads; tests/benchmarks/bootstrap.py says how long it is"


def test_the_report_names_the_label_whose_probability_is_shown_only_where_it_is_one():
    from pipelines.report import positive

    two = [{"label": "no", "prediction": "yes", "probability_of": ["yes"]}]
    assert positive(two) == "yes"
    assert positive([*two, {"label": "yes", "prediction": "no", "probability_of": ["no", "yes"]}]) is None
    assert positive([{"prediction": "a text"}]) is None
