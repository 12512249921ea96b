"""Clicks of one label alone teach and judge nothing: they are refused with the data, before anything is trained."""

import json

import pytest

from pipelines.click_labels import require_both_labels
from pipelines.errors import Refused
from pipelines.recipe_file import load_recipe
from pipelines.validate import validate
from tests.small_evaluation import corpus
from tests.training_work import work_of, write_splits
from tests.two_tasks import ENCODER, MIXED, RECIPES, rows

BESIDE = {"task": "recommendation", "examples": "tasks/beside"}
OWN = ENCODER | {"task": "recommendation", "data.examples": "tasks/own", "finetune.auxiliary": [BESIDE]}
PARTS = {"train": MIXED[:60], "validation": MIXED[60:80], "test": MIXED[80:100]}


def clicks(split, name=""):
    """Rows of a split; no user meets an item of another one."""
    named = f"{name}-{split}"
    found = rows("recommendation", PARTS[split])
    return [row | {key: f"{named}-{row[key]}" for key in ("id", "item_id")} for row in found]


@pytest.fixture
def data(tmp_path):
    """Clicks of a recipe's own task with test rows, and of the task beside it without."""
    write_splits(tmp_path / "dataset/tasks/own", **{split: clicks(split, "own") for split in PARTS})
    beside = {split: clicks(split, "beside") for split in ("train", "validation")}
    write_splits(tmp_path / "dataset/tasks/beside", **beside)
    return tmp_path / "dataset"


def recipe(changes=OWN):
    return load_recipe(RECIPES / "summary_checker.toml", changes)


@pytest.mark.parametrize("name", ["own/train", "own/validation", "own/test", "beside/train", "beside/validation"])
def test_rows_of_one_label_are_refused_wherever_they_are_read(data, name):
    require_both_labels(data, recipe())
    path = data / "tasks" / f"{name}.jsonl"
    write_splits(path.parent, **{path.stem: [row | {"label": 1} for row in clicks(path.stem)]})
    with pytest.raises(Refused, match=f"{name}.jsonl: label is 1 in every row; rows with 0 and rows with 1 are needed"):
        require_both_labels(data, recipe())


def test_test_rows_of_a_task_that_is_learned_beside_are_not_looked_at(data):
    write_splits(data / "tasks/beside", test=[row | {"label": 1} for row in clicks("test")])
    require_both_labels(data, recipe())


def test_tasks_without_clicks_may_have_one_label(data):
    write_splits(data / "tasks/own", train=[{"id": "1", "text": "One.", "label": "yes", "lang": "en"}])
    require_both_labels(data, recipe(ENCODER | {"data.examples": "tasks/own", "finetune.auxiliary": []}))


@pytest.mark.slow
def test_the_step_that_validates_refuses_them(data, tmp_path):
    texts = {name: [row | {"text": f"{name}: {row['text']}"} for row in corpus(name)] for name in ("domain", "general")}
    write_splits(data / "corpus", **texts)
    made = work_of(recipe(), tmp_path / "work", {"dataset": data})
    validate(made)
    found = json.loads((made.out / "validation.json").read_text(encoding="utf-8"))
    assert all(check["passed"] for check in found["checks"])
    write_splits(data / "tasks/own", test=[row | {"label": 0} for row in clicks("test", "own")])
    with pytest.raises(Refused, match=r"own/test.jsonl: label is 0 in every row"):
        validate(made)
