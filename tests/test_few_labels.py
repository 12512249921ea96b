"""A few labelled texts make a classifier: pairs are drawn from them, cosines learned, and the head fitted at last."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.artifact import read_json, sha256_file
from pipelines.errors import Refused
from pipelines.recipe_file import load_recipe
from pipelines.settings import ROOT
from pipelines.steps import Work
from tests.toy_models import TEXTS, encoder_folder
from tests.training_work import does, labelled, work_of, write_splits

pytestmark = pytest.mark.slow

RECIPE = ROOT / "pipelines" / "recipes" / "summary_checker.toml"
FEW = {
    "task": "classification",
    "gates": [],
    "finetune.contrastive": 3,
    "finetune.epochs": 2,
    "finetune.max_length": 32,
    "finetune.batch_size": 8,
    "finetune.learning_rate": 1e-3,
}


def work(folder: Path, train: list[str], **changes: object) -> Work:
    recipe = load_recipe(RECIPE, FEW | {f"finetune.{key}": value for key, value in changes.items()})
    splits = {"train": labelled(train), "validation": labelled(TEXTS[1::3])}
    write_splits(folder / "dataset" / recipe.data.examples, **splits)
    encoder_folder(folder / "base" / "model")
    return work_of(recipe, folder, {"dataset": folder / "dataset", "model": folder / "base"})


@pytest.mark.parametrize("method", ["full", "lora"])
def test_fifteen_texts_make_a_classifier_that_loads_as_any_other(tmp_path: Path, method: str):
    from models.backbone import load_classifier
    from models.predict import classify
    from pipelines.finetune import finetune

    made = work(tmp_path, TEXTS[::8], method=method)
    finetune(made)
    answers = classify(*load_classifier(made.out / "model"), [(text,) for text in TEXTS[1::3]])
    right = [max(a, key=lambda name: a[name]) == does(t) for a, t in zip(answers, TEXTS[1::3], strict=True)]
    metrics = read_json(made.out / "metrics.json")
    kept = metrics["epochs"][metrics["best_epoch"] - 1]["validation"]
    assert sum(right) / len(right) == pytest.approx(kept["accuracy"], abs=1e-6)
    assert kept["auc"] > 0.9


def test_a_training_that_was_stopped_goes_on_to_the_very_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from models import few_shot, stop
    from pipelines.finetune import finetune

    whole, halves = work(tmp_path / "whole", TEXTS[::8]), work(tmp_path / "halves", TEXTS[::8])
    # One base for both: two word-piece tokenizers of the same texts number their pieces differently.
    halves = replace(halves, inputs=halves.inputs | {"model": whole.inputs["model"]})
    finetune(whole)
    fit_head = few_shot.fit_head

    def stopping(*arguments: object) -> None:
        fit_head(*arguments)
        stop.requested.set()

    monkeypatch.setattr(few_shot, "fit_head", stopping)
    with pytest.raises(stop.Stopped):
        finetune(halves)
    monkeypatch.undo()
    stop.requested.clear()
    finetune(halves)
    weights = [sha256_file(made.out / "model" / "model.safetensors") for made in (whole, halves)]
    assert weights[0] == weights[1]


def test_examples_of_one_label_are_refused_for_they_make_no_pairs(tmp_path: Path):
    from pipelines.finetune import finetune

    with pytest.raises(Refused, match=r"finetune.contrastive: pairs of other labels need two labels or more"):
        finetune(work(tmp_path, [text for text in TEXTS if does(text) == "read"]))


@pytest.mark.parametrize("changes", [{"method": "head"}, {"label_smoothing": 0.1}, {"class_weights": True}])
def test_what_pairs_cannot_use_is_refused_before_anything_runs(changes: dict[str, object]):
    with pytest.raises(Refused, match=r"finetune.contrastive"):
        load_recipe(RECIPE, FEW | {f"finetune.{key}": value for key, value in changes.items()})


def test_a_task_of_two_texts_is_refused():
    with pytest.raises(
        Refused, match=r"finetune.contrastive is for tasks that give one text one label; pair_classification"
    ):
        load_recipe(RECIPE, {"finetune.contrastive": 3})


def test_pairs_join_equal_labels_and_part_others_the_same_way_each_time():
    from models.few_shot import drawn_pairs

    labels = [0, 0, 1, 1, 2]
    pairs = drawn_pairs(labels, 4, 7)
    assert all((labels[one] == labels[other]) is same and one != other for one, other, same in pairs)
    assert [sum(same for *_, same in pairs), sum(not same for *_, same in pairs)] == [16, 20]
    assert pairs == drawn_pairs(labels, 4, 7)


@pytest.mark.parametrize("names", [2, 3])
def test_the_fitted_head_says_what_the_logistic_regression_says(tmp_path: Path, names: int):
    from sklearn.linear_model import LogisticRegression

    from models import few_shot
    from models.backbone import new_classifier
    from models.predict import classify, embed

    texts, numbers = TEXTS[:60], [n % names for n in range(60)]
    model, tokenizer = new_classifier(encoder_folder(tmp_path), [str(n) for n in range(names)], 1, 32, 1)
    model.eval()
    few_shot.fit_head(model, tokenizer, [(text,) for text in texts], numbers)
    vectors = embed(model.encoder, tokenizer, texts)
    expected = LogisticRegression(max_iter=1000).fit(vectors, numbers).predict_proba(vectors).ravel().tolist()
    answers = classify(model, tokenizer, [(text,) for text in texts])
    assert [chance for answer in answers for chance in answer.values()] == pytest.approx(
        expected, abs=1e-2
    )  # served in bf16 where that is faster
