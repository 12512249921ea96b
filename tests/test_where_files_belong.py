"""A file's place in the data follows from its folders and its name, or from somebody's word; never from a guess."""

import pytest

from pipelines.errors import Refused
from pipelines.routing import is_note, route
from tests.dropped_files import CORPUS, TEST, TRAIN, recipe_in


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    return recipe_in(tmp_path_factory.mktemp("recipes"))


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("train/2024/a.jsonl.gz", TRAIN),
        ("reviews-train-00001.parquet", TRAIN),
        ("Train.csv", TRAIN),
        ("dev.jsonl", "tasks/mine/validation.jsonl"),
        ("corpus/part_1.jsonl.zst", CORPUS),
        ("tasks/mine/test.jsonl", TEST),
        ("drop.zip/test/a.jsonl", TEST),
        ("test.tar.gz/a.jsonl", TEST),
    ],
)
def test_folders_and_names_say_it(recipe, name, target):
    assert route([name], "s3://bucket/in", recipe) == {name: target}


def test_where_nothing_below_it_says_anything_the_source_may(recipe):
    assert route(["a.jsonl"], "/srv/in/train", recipe) == {"a.jsonl": TRAIN}
    assert route(["test/a.jsonl"], "/srv/in/train", recipe) == {"test/a.jsonl": TEST}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a.jsonl", "its name says nothing"),
        ("contest/latest.jsonl", "its name says nothing"),
        ("train/test.jsonl", f"{TEST} or {TRAIN}"),
    ],
)
def test_a_name_that_says_nothing_or_two_things_is_refused(recipe, name, why):
    with pytest.raises(Refused, match=why):
        route(["train/b.jsonl", name], "s3://bucket/test-drop", recipe)


def test_somebodys_word_holds_for_all(recipe):
    assert route(["a.jsonl", "test/b.jsonl"], "/in", recipe, "train") == {"a.jsonl": TRAIN, "test/b.jsonl": TRAIN}
    assert route(["a.jsonl"], "/in", recipe, TEST) == {"a.jsonl": TEST}


def test_a_place_that_no_recipe_learns_from_is_refused_with_the_near_miss(recipe):
    with pytest.raises(Refused, match="did you mean 'validation'"):
        route(["a.jsonl"], "/in", recipe, "validations")


def test_notes_are_no_data():
    assert all(map(is_note, ["_SUCCESS", "train/_READY", "README.md", "licence"]))
    assert not any(map(is_note, ["train.txt", "readme-train.jsonl", "a_b.jsonl"]))
