"""A text may have several labels, or none: read strictly, learned each by itself, said from one threshold on."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from models.tasks import TASKS
from models.tasks.label_sets import answer_of, by_label, judged
from models.threshold import best_threshold
from pipelines.artifact import read_json
from pipelines.errors import Refused
from pipelines.recipe_file import load_recipe
from pipelines.settings import ROOT
from tests.row_files import lines, put, read
from tests.sets_of_rows import found, tally, text
from tests.toy_models import TEXTS, encoder_folder
from tests.training_work import work_of, write_splits

__all__ = ["found", "tally"]

TASK = TASKS["multi_label"]
LABELS = ["acq", "crude", "earn", "grain"]
RECIPE = ROOT / "pipelines" / "recipes" / "summary_checker.toml"


def row(number, labels=("acq",), **more):
    return {"id": f"r{number}", "text": text(number), "labels": list(labels), "lang": "en"} | more


def answers(seed, count=60):
    """Rows and answers by chance, some without any label."""
    chance = random.Random(seed)

    def some():
        return chance.sample(LABELS, chance.choice((0, 1, 1, 2, 3)))

    return [{"id": str(n), "labels": some(), "prediction": some(), "probabilities": {}} for n in range(count)]


def test_scores_are_those_of_scikit_learn_on_every_resample():
    from sklearn.metrics import accuracy_score, f1_score
    from sklearn.preprocessing import MultiLabelBinarizer

    rows = answers(1)
    drawn = np.random.default_rng(2).integers(0, 3, (5, len(rows))).astype(float)
    for times in (np.ones(len(rows)), *drawn):
        again = [one for one, count in zip(rows, times, strict=True) for _ in range(int(count))]
        names = MultiLabelBinarizer().fit([LABELS])
        truth, said = (names.transform([one[name] for one in again]) for name in ("labels", "prediction"))
        expected = {f"{how}_f1": f1_score(truth, said, average=how, zero_division=0) for how in ("micro", "macro")}
        expected["subset_accuracy"] = accuracy_score(truth, said)
        measured = {name: statistic(times[None])[0] for name, statistic in TASK.statistics(rows).items()}
        assert measured == pytest.approx(expected)
    assert TASK.metrics(rows) == pytest.approx({n: s(np.ones((1, 60)))[0] for n, s in TASK.statistics(rows).items()})


def test_where_no_label_is_true_or_said_f1_is_nothing_and_every_row_is_right():
    none = [{"id": "1", "labels": [], "prediction": []}]
    assert TASK.metrics(none) == {"micro_f1": 0.0, "macro_f1": 0.0, "subset_accuracy": 1.0}


def test_the_threshold_is_the_best_of_all():
    chance = random.Random(3)
    rows = [{"id": str(n), "labels": chance.sample(LABELS, 2)} for n in range(40)]
    # Two digits, so that many probabilities are equal, which no threshold can part.
    chances = [{n: round((chance.random() + (n in one["labels"])) / 2, 2) for n in LABELS} for one in rows]
    scores = [TASK.metrics(judged(rows, chances, n / 1000))["micro_f1"] for n in range(1001)]
    assert TASK.metrics(judged(rows, chances, best_threshold(rows, chances)))["micro_f1"] == max(scores)


def test_an_answer_names_what_reaches_the_threshold_and_may_be_empty():
    chances = {"grain": 0.4, "acq": 0.7, "earn": 0.1}
    assert answer_of(chances, 0.4)["prediction"] == ["acq", "grain"]
    assert answer_of(chances, 0.8) == {"prediction": [], "probabilities": {"acq": 0.7, "earn": 0.1, "grain": 0.4}}


def test_each_label_is_told_by_itself():
    told = by_label([
        {"labels": ["acq", "earn"], "prediction": ["acq"]},
        {"labels": ["acq"], "prediction": ["acq", "grain"]},
        {"labels": ["acq"], "prediction": []},
    ])  # fmt: skip
    assert [(r["label"], r["n"], r["said"]) for r in told] == [("acq", 3, 2), ("earn", 1, 0), ("grain", 0, 1)]
    assert told[0] == {"label": "acq", "n": 3, "said": 2, "precision": 1.0, "recall": 0.666667, "f1": 0.8}


def test_promotion_compares_the_probability_of_every_label_that_the_report_shows():
    from pipelines.try_out import same_answer

    row = {"prediction": ["acq"], "probabilities": {"acq": 0.7, "earn": 0.2}}
    served = {"acq": 0.7001, "earn": 0.2, "grain": 0.01}
    assert same_answer({"prediction": ["acq"], "probabilities": served}, row)
    assert not same_answer({"prediction": ["acq"], "probabilities": served | {"earn": 0.4}}, row)
    assert not same_answer({"prediction": ["acq"], "probabilities": {"acq": 0.7}}, row)


WRONG = {"twice": ["acq", "acq"], "empty": ["acq", ""], "number": ["acq", 1], "text": "acq", "null": None}


@pytest.mark.parametrize("labels", WRONG.values(), ids=WRONG)
def test_labels_that_are_none_are_refused_with_their_line_in_every_kind_of_file(tmp_path, labels):
    import pyarrow as pa
    from pyarrow import parquet

    rows = [row(n, LABELS[: n % 3]) for n in range(20)]
    rows[4]["labels"] = labels
    assert read(put(tmp_path, "a.jsonl", lines(rows)), "multi_label") == (19, 20, {"types": [5]})
    cells = "".join(f'{r["id"]},x,"{json.dumps(r["labels"]).replace(chr(34), chr(34) * 2)}",en\n' for r in rows)
    path = put(tmp_path, "a.csv", f"id,text,labels,lang\n{cells}".encode())
    assert read(path, "multi_label") == (19, 20, {"types" if labels else "missing_fields": [6]})
    if labels not in (WRONG["number"], WRONG["text"]):  # which are no list of texts, and so no Parquet column of them
        parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
        assert read(tmp_path / "a.parquet", "multi_label") == (19, 20, {"types": [5]})


def test_sound_rows_are_within_every_bound_those_without_a_label_too(found):
    assert found([row(n, LABELS[n % 2 : n % 4]) for n in range(40)], "multi_label") == {}


def test_labels_outside_the_recipes_are_found_once_a_row(found, tally):
    rows = [row(n, LABELS[n % 2 : n % 2 + 1]) for n in range(40)]
    rows[6]["labels"] = ["acq", "other", "more"]
    assert found(rows, "multi_label", labels=LABELS[:2])["unknown_labels"] == ("reject", [7])
    assert tally(rows, "multi_label").labels == {"acq": 20, "crude": 20, "other": 1, "more": 1}


def test_one_text_with_the_same_labels_in_another_order_contradicts_nothing(found):
    rows = [row(n, ["acq", "earn"]) for n in range(40)]
    rows[1] = row(1, ["earn", "acq"], text=rows[0]["text"])
    assert "contradictions" not in found(rows, "multi_label")
    rows[1]["labels"] = ["earn"]
    assert found(rows, "multi_label")["contradictions"] == ("warn", [1])


@pytest.mark.parametrize("key", ["label_smoothing", "focal", "r_drop", "class_weights"])
def test_what_weighs_one_answer_of_several_is_refused(key):
    changes = {
        "task": "multi_label",
        "gates": [],
        "finetune.dropout": 0.1,
        f"finetune.{key}": key == "class_weights" or 0.5,
    }
    with pytest.raises(Refused, match=f"finetune.{key} is for one answer of several; multi_label decides about each"):
        load_recipe(RECIPE, changes)


def labelled(texts):
    """Where a thing is, and whether that is far, are the labels; an account has none."""
    places = {"region": ["far", "region"], "cluster": ["far"], "user": ["user"], "account": []}
    return [
        {"id": str(n), "text": one, "labels": places[one.rstrip(".").split()[-1]], "lang": "en"}
        for n, one in enumerate(texts)
    ]


@pytest.mark.slow
def test_a_model_learns_them_and_answers_when_served_as_it_was_judged(tmp_path: Path):
    from models.baselines import tfidf_each
    from models.serving import load
    from pipelines.answers import labels
    from pipelines.finetune import finetune

    train, held, test = (labelled(TEXTS * 2), labelled(TEXTS[1::3]), labelled(TEXTS[::3]))
    learns = {"epochs": 8, "batch_size": 16, "max_length": 32, "learning_rate": 5e-3}
    recipe = load_recipe(RECIPE, {"task": "multi_label", "gates": [], "finetune": learns})
    write_splits(tmp_path / "dataset" / recipe.data.examples, train=train, validation=held)
    encoder_folder(tmp_path / "base" / "model")
    finetune(work_of(recipe, tmp_path, {"dataset": tmp_path / "dataset", "model": tmp_path / "base"}))
    model = tmp_path / "out" / "model"
    told = labels.predictions(TASK, model, held)
    kept = read_json(tmp_path / "out" / "metrics.json")
    best = kept["epochs"][kept["best_epoch"] - 1]["validation"]
    assert TASK.metrics(told)["micro_f1"] == pytest.approx(best["micro_f1"], abs=1e-6)
    assert read_json(model / "threshold.json")["threshold"] == pytest.approx(best["threshold"], abs=1e-4)
    assert TASK.metrics(labels.predictions(TASK, model, test))["micro_f1"] > 0.9
    assert load(model, "multi_label")(held) == [{k: p[k] for k in ("prediction", "probabilities")} for p in told]
    assert TASK.metrics(tfidf_each(train, held, test))["micro_f1"] > 0.9


@pytest.mark.slow
def test_rows_of_which_none_has_a_label_are_refused(tmp_path):
    from pipelines.answers import labels

    recipe = load_recipe(RECIPE, {"task": "multi_label", "gates": []})
    write_splits(tmp_path / recipe.data.examples, train=[row(1, [])], validation=[row(1, [])])
    work = work_of(recipe, tmp_path, {"dataset": tmp_path})
    with pytest.raises(Refused, match=r"train.jsonl: its rows have 0 different labels; two or more are needed"):
        labels.training(work)
