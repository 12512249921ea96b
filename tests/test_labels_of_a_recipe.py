"""A recipe that names its labels holds all rows to them: those that come in, and those that a training reads."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pipelines.errors import Refused
from pipelines.ingest import ingest
from pipelines.recipe_file import load_recipe
from pipelines.validate import subjects
from tests.bounds import beyond_bounds
from tests.dropped_files import RECIPE, drop, findings, passage, places, said, settings

__all__ = ["settings"]
LABELS = 'labels = ["no", "yes"]'


def recipe_with(folder, labels=LABELS, task="pair_classification"):
    """The recipe `mine`, as one of a task that has labels."""
    text = RECIPE.format(on_conflict="refuse", replay="corpus/mine.jsonl").replace('"generation"', f'"{task}"')
    if task == "pair_classification":
        text = text.replace("causal", "masked").replace('{ scratch = "tiny-decoder" }', '"hf://org/name"')
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mine.toml").write_text(text.replace("[data]\n", f"[data]\n{labels}\n"))
    return load_recipe(folder / "mine.toml")


def pair(name, label):
    return {"id": name, "text_a": said(f"a {name}", 20), "text_b": said(f"b {name}", 6), "label": label, "lang": "en"}


def pairs(split, extra=()):
    return [*(pair(f"{split}-{n}", "yes" if n % 2 else "no") for n in range(20)), *extra]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ('labels = ["no"]', "data.labels: Tuple should have at least 2 items"),
        ('labels = ["no", ""]', "data.labels.1: String should have at least 1 character"),
        ('labels = ["no", 1]', "data.labels.1: Input should be a valid string"),
        ('labels = "no,yes"', "data.labels: Input should be a valid tuple"),
        ('labels = ["no", "yes", "no"]', "data.labels: 'no' stands there twice"),
        ('label = ["no", "yes"]', "unknown key 'data.label'; did you mean 'labels'?"),
    ],
)
def test_labels_that_are_none_are_refused(tmp_path, labels, message):
    with pytest.raises(Refused) as refusal:
        recipe_with(tmp_path, labels)
    assert message in str(refusal.value)


def test_a_task_without_labels_has_none_to_name(tmp_path):
    with pytest.raises(Refused, match="the rows of the task generation have no label; leave it out"):
        recipe_with(tmp_path, task="generation")


def unmet(folder, recipe):
    """{(set, check): lines} of what a training's validation would refuse or warn of."""
    with TemporaryDirectory() as scratch:
        found = list(subjects(folder, recipe.data, recipe.task, recipe.validation, Path(scratch), {}))
    return {
        (subject.name, check.name): [place.line for place in subject.measures[check.name].places]
        for subject in found
        for check in beyond_bounds(subject)
    }


def test_a_label_that_the_recipe_does_not_name_refuses_training_rows_and_a_lacking_one_is_said(tmp_path):
    for split in ("train", "validation", "test"):
        drop(tmp_path / f"tasks/mine/{split}.jsonl", pairs(split, [pair("odd", "maybe")] if split == "train" else ()))
    texts = [passage(f"c-{n}", split="heldout" if n % 5 == 0 else "train") for n in range(20)]
    drop(tmp_path / "corpus/mine.jsonl", texts)
    assert unmet(tmp_path, recipe_with(tmp_path / "any", "")) == {}
    assert unmet(tmp_path, recipe_with(tmp_path / "two")) == {("tasks/mine/train.jsonl", "unknown_labels"): [21]}
    found = unmet(tmp_path, recipe_with(tmp_path / "four", 'labels = ["no", "yes", "maybe", "never"]'))
    assert found.keys() == {(f"tasks/mine/{split}.jsonl", "rarest_label") for split in ("train", "validation", "test")}


@pytest.mark.service
def test_what_comes_in_has_the_labels_of_the_recipe_and_one_day_may_bring_one_of_them(tmp_path, settings):
    recipe = recipe_with(tmp_path / "recipes")

    def take_in():
        return ingest(str(tmp_path / "in"), recipe, settings, say=lambda _: None)

    drop(tmp_path / "in" / "train" / "first.jsonl", pairs("train"))
    drop(tmp_path / "in" / "corpus" / "first.jsonl", [passage(f"c-{n}") for n in range(20)])
    assert take_in().state == "accepted"
    drop(tmp_path / "in" / "train" / "second.jsonl", [pair("one", "yes"), pair("two", "yes")])
    assert take_in().state == "accepted"
    third = drop(tmp_path / "in" / "train" / "third.jsonl", [pair("three", "no"), pair("four", "maybe")])
    refused = take_in()
    assert refused.state == "refused"
    assert places(findings(refused)["unknown_labels"]) == {(str(third), 2)}
