"""Questions find their answers: what a rank is worth, and how words and states find."""

from typing import Any

import numpy as np
import pytest

from models import keywords, ranking
from models.tasks.passages import judged, measured, resampled, worth
from tests.toy_models import TEXTS, encoder_folder

PAIRS = [(str(n), f"answer {n}") for n in range(30)]


def test_a_rank_is_worth_what_the_definitions_say():
    assert worth(1) == {"mrr": 1.0, "recall_1": 1.0, "recall_5": 1.0, "ndcg_10": 1.0}
    assert worth(3) == {"mrr": 0.333333, "recall_1": 0.0, "recall_5": 1.0, "ndcg_10": 0.5}
    assert worth(11) == {"mrr": 0.090909, "recall_1": 0.0, "recall_5": 0.0, "ndcg_10": 0.0}


def test_ndcg_is_that_of_scikit_learn():
    from sklearn.metrics import ndcg_score

    scores = np.random.default_rng(5).random((20, 30))
    truth = np.eye(30)[np.arange(20)]
    found = ranking.positions(lambda _: scores.astype(np.float32), PAIRS[:20], ranking.Pool.of(PAIRS))
    ours = measured(judged([{"id": "q"}] * 20, ["a"] * 20, [rank for _, rank in found]))
    assert ours["ndcg_10"] == pytest.approx(ndcg_score(truth, scores, k=10), abs=1e-5)
    assert ours["mrr"] == pytest.approx(np.mean([1 / (row >= row[n]).sum() for n, row in enumerate(scores)]), abs=1e-5)


def test_a_metric_is_its_statistic_at_weights_of_one():
    predictions = judged([{"id": str(n)} for n in range(4)], ["a"] * 4, [1, 2, 7, 40])
    again = {name: float(of(np.ones((1, 4)))[0]) for name, of in resampled(predictions).items()}
    assert again == pytest.approx(measured(predictions))


def test_a_model_that_finds_all_answers_alike_has_found_nothing():
    alike = ranking.positions(lambda asked: np.ones((len(asked), 30), np.float32), PAIRS[4:6], ranking.Pool.of(PAIRS))
    assert [rank for _, rank in alike] == [30, 30]


def test_another_right_answer_of_the_same_question_does_not_stand_before_its_own():
    pairs = [("when", "at nine"), ("when", "in the morning"), ("where", "here"), ("when", "at nine")]
    scores = np.array([0.5, 0.9, 0.7], np.float32)
    pool = ranking.Pool.of(pairs)
    assert pool.answers == ["at nine", "in the morning", "here"]
    found = ranking.positions(lambda asked: np.stack([scores] * len(asked)), pairs, pool)
    assert found == [(1, 2), (1, 1), (1, 2), (1, 2)]


def test_scores_are_held_a_few_questions_at_a_time_and_ranks_stay_the_same(monkeypatch):
    table = np.random.default_rng(3).random((10, 30)).astype(np.float32)
    asked: list[int] = []

    def score(questions: Any) -> Any:
        asked.append(len(questions))
        return table[[int(question) for question in questions]]

    pool = ranking.Pool.of(PAIRS)
    whole = ranking.positions(score, PAIRS[:10], pool)
    monkeypatch.setattr(ranking, "BLOCK", 100)
    monkeypatch.setattr(ranking, "BATCH", 2)
    assert ranking.positions(score, PAIRS[:10], pool) == whole
    assert asked == [10, 3, 3, 3, 1]


def test_states_read_in_blocks_are_those_read_at_once_and_have_length_one(tmp_path, monkeypatch):
    from models.backbone import load_bi_encoder

    model, tokenizer = load_bi_encoder(encoder_folder(tmp_path))
    told: list[tuple[int, int]] = []
    whole = ranking.states(model, tokenizer, TEXTS)
    monkeypatch.setattr(ranking, "TEXTS", 50)
    parts = ranking.states(model, tokenizer, TEXTS, lambda done, total: told.append((done, total)))
    np.testing.assert_allclose(parts, whole, atol=0.02)  # bf16 where the machine gains by it
    np.testing.assert_allclose(np.linalg.norm(parts, axis=1), 1, atol=1e-5)
    assert told == sorted(told)
    assert told[-1] == (sum(map(len, TEXTS)),) * 2


def test_a_text_longer_than_the_encoder_can_read_is_cut_though_its_tokenizer_names_no_limit(tmp_path):
    from models.backbone import load_bi_encoder
    from models.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(encoder_folder(tmp_path))
    tokenizer.model_max_length = 10**30
    tokenizer.save_pretrained(tmp_path)
    assert ranking.states(*load_bi_encoder(tmp_path), [" ".join(TEXTS)]).shape == (1, 32)


@pytest.mark.parametrize(
    ("question", "answer"),
    [("Which BUCKET, please?", 1), ("怎么开通蚂蚁借呗", 2), ("Wann?", 0)],
    ids=["English", "Chinese", "no word in common"],
)
def test_words_in_common_find_answers_in_english_and_chinese(question, answer):
    pool = ["...", "A bucket holds objects.", "蚂蚁借呗在支付宝里开通", "花呗如何还款"]
    scores = keywords.bm25(pool)([question])
    assert scores.shape == (1, 4)
    assert scores[0].argmax() == answer


def test_a_pool_without_any_word_is_answered():
    assert keywords.bm25(["...", "!"])(["What?"]).tolist() == [[0.0, 0.0]]


def test_answers_are_kept_with_every_character(tmp_path):
    answers = ["One\u2028line,\nor two", "“二”", " "]
    ranking.write_answers(answers, tmp_path)
    assert ranking.read_answers(tmp_path) == answers
    with pytest.raises(ValueError, match=r"no answers\.jsonl: this model was not trained to find answers"):
        ranking.read_answers(tmp_path / "other")
