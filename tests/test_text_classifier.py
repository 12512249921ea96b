"""A text gets one label: it is read alike wherever it stands, and a saved classifier answers as it did."""

import random
from pathlib import Path

import pytest

from models import baselines
from models.tasks import TASKS
from tests import toy_models

TASK = TASKS["classification"]


def rows(count, seed):
    """What is done to a thing is its label; where it is says nothing."""
    chance = random.Random(seed)
    texts = chance.choices(toy_models.TEXTS, k=count)
    return [
        {"id": f"{seed}-{n}", "text": text, "label": text.split()[0].lower(), "lang": "en"}
        for n, text in enumerate(texts)
    ]


@pytest.fixture
def classifier(tmp_path: Path):
    from models import backbone

    folder = toy_models.encoder_folder(tmp_path / "encoder")
    return backbone.new_classifier(folder, sorted({row["label"] for row in rows(60, 1)}), 1, 64, 1)


def test_tfidf_sees_the_words_that_decide():
    answers = baselines.tfidf(rows(200, 1), rows(60, 2))
    assert [answer["id"] for answer in answers] == [row["id"] for row in rows(60, 2)]
    assert TASK.metrics(answers)["accuracy"] > 0.9


def test_tfidf_sees_nothing_in_labels_by_chance():
    chance = random.Random(3)
    mixed = [{**row, "label": chance.choice(("no", "yes"))} for row in rows(200, 1)]
    answers = baselines.tfidf(mixed, [{**row, "label": chance.choice(("no", "yes"))} for row in rows(200, 2)])
    assert TASK.metrics(answers)["accuracy"] == pytest.approx(0.5, abs=0.12)


@pytest.mark.slow
@pytest.mark.usefixtures("fp32")
def test_a_text_is_labelled_alike_alone_and_among_longer_ones(classifier):
    from models.predict import classify

    texts = [("Deletes the key.",), ("Lists the alias of the cluster. " * 6,), ("Creates the queue.",)]
    together = classify(*classifier, texts)
    for text, answer in zip(texts, together, strict=True):
        assert classify(*classifier, [text])[0] == pytest.approx(answer, abs=1e-5)
    assert together[0] != pytest.approx(together[2], abs=1e-3)


@pytest.mark.slow
def test_a_classifier_learns_is_saved_and_answers_when_served_as_it_did(classifier, tmp_path):
    from models import backbone, objectives, serving, train
    from models.checkpoint import Checkpoints
    from models.predict import classify
    from models.schedule import Pace, Passes
    from models.tasks.labels import answer_of

    model, tokenizer = classifier
    known, asked = rows(200, 1), rows(60, 2)
    labels = sorted({row["label"] for row in known})
    plan = objectives.label_plan(
        tokenizer, [TASK.read(row) for row in known], [labels.index(row["label"]) for row in known], Passes(16, 4, 1)
    )
    train.train(model, plan, Pace(3e-3), Checkpoints(tmp_path / "checkpoints"))
    backbone.save(model, tokenizer, tmp_path / "model")
    again = backbone.load_classifier(tmp_path / "model")
    answers = [answer_of(found) for found in classify(*again, [TASK.read(row) for row in asked])]
    told = [{"label": row["label"], **answer} for row, answer in zip(asked, answers, strict=True)]
    assert TASK.metrics(told)["accuracy"] > 0.9
    served = serving.load(tmp_path / "model", "classification")(asked)
    assert served == answers


def test_two_rows_of_the_same_text_are_one_example():
    assert TASK.group({"id": "1", "text": "a"}) == TASK.group({"id": "2", "text": "a"})
    assert TASK.group({"id": "1", "text": "a", "group": "g"}) == "g"
