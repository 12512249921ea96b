"""What a model is told of a user's history is older than what it is asked, and comes from training rows alone."""

import json

import numpy as np
import pytest

from models.recommend import FEATURES, Known, Ranker, features
from models.tasks.clicks import example, measured, ndcg, resampled


def event(number, user="u1", item=None, label=1, when=None):
    title = f"Film {number}"
    row = {"id": f"r{number}", "user_id": user, "item_id": item or f"i{number}", "title": title, "text": "Drama"}
    return example({**row, "label": label, "timestamp": number * 100 if when is None else when})


TRAIN = [event(3), event(1), event(2, label=0), event(4), event(5, user="u2")]


def test_a_history_is_what_was_liked_before_the_newest_first():
    assert Known.of(TRAIN).history(event(9)) == "Film 4; Film 3; Film 1"
    assert Known.of(TRAIN).history(event(9, when=350)) == "Film 3; Film 1"


def test_what_happened_at_the_same_second_is_no_history():
    assert Known.of(TRAIN).history(event(4)) == "Film 3; Film 1"


@pytest.mark.parametrize("label", [0, 1])
def test_the_label_of_the_row_that_is_asked_changes_nothing_of_what_the_model_is_told(label):
    known, asked = Known.of(TRAIN), event(7, label=label)
    assert known.texts(asked) == ("Film 4; Film 3; Film 1", "Film 7\nDrama")
    assert features(known, [asked], [0.5]).tolist() == features(known, [event(7)], [0.5]).tolist()


def test_later_training_rows_do_not_change_an_earlier_history():
    later = [*TRAIN, event(8), event(9, when=10_000)]
    for row in TRAIN:
        assert Known.of(later).history(row) == Known.of(TRAIN).history(row)


def test_a_user_and_an_item_that_nobody_knows_are_given_the_mean_of_all():
    known = Known.of(TRAIN)
    for stranger in ({"title": "New", "text": ""}, event(9, user="u9"), {**event(9), "user_id": None, "item_id": None}):
        asked = {"item_id": "i99", **stranger}
        assert known.means(asked)[0] == pytest.approx(0.8)
    assert known.texts({"title": "New", "text": "Crime"}) == ("", "New\nCrime")
    assert np.isfinite(features(known, [{"title": "New", "text": ""}], [1.0])).all()


def test_a_question_without_a_time_is_asked_after_all_that_is_known():
    asked = {key: value for key, value in event(9).items() if key != "timestamp"}
    for timeless in (asked, {**asked, "timestamp": None}, {**asked, "timestamp": float("nan")}):
        assert Known.of(TRAIN).history(timeless) == "Film 4; Film 3; Film 1"


def test_a_folder_gives_back_what_is_known_and_the_ranker_as_text(tmp_path):
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    known = Known.of(TRAIN)
    known.write(tmp_path)
    found = np.random.default_rng(7).normal(size=(50, len(FEATURES)))
    clicked = [row[0] + row[3] > 0 for row in found]
    Ranker.fitted(found, clicked).write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"known.json", "ranker.json"}
    assert Known.read(tmp_path).texts(event(9)) == known.texts(event(9))
    scaled = StandardScaler().fit_transform(found).clip(-3, 3)
    theirs = LogisticRegression(max_iter=1000).fit(scaled, clicked).predict_proba(scaled)[:, 1]
    assert Ranker.read(tmp_path).chances(found) == pytest.approx(theirs.tolist())


def test_a_time_without_precedent_does_not_drown_what_the_text_says():
    found = np.random.default_rng(7).normal(size=(50, len(FEATURES)))
    ranker = Ranker.fitted(found, [row[0] + row[3] > 0 for row in found])
    late = found[:2].copy()
    late[:, 0], late[:, 3] = (-2, 2), -1e6
    low, high = ranker.chances(late)
    assert high > low + 0.001


def test_a_ranker_of_other_features_is_refused(tmp_path):
    ranker = Ranker([1.0], [0.0], [1.0], 0.0)
    ranker.write(tmp_path)
    stored = json.loads((tmp_path / "ranker.json").read_text())
    (tmp_path / "ranker.json").write_text(json.dumps({**stored, "features": ["age"]}))
    with pytest.raises(ValueError, match="weighs age; this version has text, popularity"):
        Ranker.read(tmp_path)


def test_a_label_other_than_0_and_1_is_refused():
    with pytest.raises(ValueError, match="label is 4; 1"):
        event(1, label=4)


def test_ndcg_and_hits_are_means_over_the_users_who_have_both_labels():
    from sklearn.metrics import ndcg_score

    random = np.random.default_rng(7)
    rows = [{"id": str(n), "user_id": f"u{n // 30}", "label": str(n % 3 // 2)} for n in range(90)]
    rows = [{**row, "probability": float(random.random())} for row in rows]
    one_sided = [{"id": f"x{n}", "user_id": "all", "label": "1", "probability": 0.1} for n in range(5)]
    theirs = [
        ndcg_score([[int(r["label"]) for r in mine]], [[r["probability"] for r in mine]], k=10)
        for mine in (rows[:30], rows[30:60], rows[60:])
    ]
    told = [*rows, *one_sided]
    assert measured(told)["ndcg_10"] == pytest.approx(sum(theirs) / 3)
    for name, statistic in resampled(told).items():
        assert statistic(np.ones((1, len(told))))[0] == pytest.approx(measured(told)[name])
    assert ndcg([True, False]) == 1.0


def test_without_a_user_who_has_both_labels_only_auc_is_told():
    rows = [{"id": str(n), "user_id": str(n), "label": str(n % 2), "probability": n / 4} for n in range(4)]
    assert set(measured(rows)) == set(resampled(rows)) == {"auc"}
