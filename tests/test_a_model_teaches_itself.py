"""Sure answers to unlabelled texts become training rows, and what does not validate better is not kept."""

import json
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from pipelines.artifact import read_json, sha256_file
from pipelines.errors import Refused
from pipelines.recipe_file import load_recipe
from pipelines.rows import read_rows
from pipelines.self_training import Tuned, pseudo_labelled, self_trained, unlabelled
from pipelines.self_training_recipe import SelfTraining
from pipelines.settings import ROOT
from pipelines.steps import Work
from tests.killing import killed
from tests.toy_models import TEXTS, encoder_folder
from tests.training_work import labelled, work_of, write_splits

RECIPE = ROOT / "pipelines" / "recipes" / "summary_checker.toml"
TOY = {
    "task": "classification",
    "gates": [],
    "finetune.epochs": 1,
    "finetune.max_length": 32,
    "finetune.batch_size": 8,
    "finetune.learning_rate": 2e-3,
}
ASKED = {"template": "{text} {mask}", "words": {"read": "x", "write": "y"}}
# Every verb once or twice, always with the same thing: most of what there is to learn stands in the other texts.
FEW, HELD, CORPUS = TEXTS[:120:11], TEXTS[1::3], [text for text in TEXTS[2::3] if text not in TEXTS[:120:11]]


def work(folder: Path, self_training: dict[str, object] | None, corpus: list[str] = CORPUS, **changes: object) -> Work:
    asked = {"finetune.self_training": self_training} if self_training is not None else {}
    recipe = load_recipe(RECIPE, TOY | asked | {f"finetune.{key}": value for key, value in changes.items()})
    splits = {"train": FEW, "validation": HELD, "test": ["Nothing of the kind."]}
    dataset = folder / "dataset"
    write_splits(dataset / recipe.data.examples, **{split: labelled(texts) for split, texts in splits.items()})
    texts = dataset / recipe.data.corpus
    write_splits(texts.parent, **{texts.stem: [{"id": str(n), "text": text} for n, text in enumerate(corpus)]})
    return work_of(recipe, folder, {"dataset": dataset, "model": folder.parent / "base"})


def finetuned(made: Work) -> str:
    from pipelines.finetune import finetune

    finetune(made)
    return sha256_file(made.out / "model" / "model.safetensors")


def test_only_sure_answers_are_taken_and_of_each_label_no_more_than_asked_the_surest():
    texts = ["one", "two", "three", "four", "five"]
    chances = [{"a": chance, "b": 1 - chance} for chance in (0.91, 0.99, 0.3, 0.0625, 0.95)]
    taken = pseudo_labelled(texts, chances, SelfTraining(threshold=0.9))
    assert [(row["text"], row["label"]) for row in taken] == [("one", "a"), ("two", "a"), ("four", "b"), ("five", "a")]
    assert len({row["id"] for row in taken}) == 4
    few = pseudo_labelled(texts, chances, SelfTraining(threshold=0.9, most=2))
    assert [row["text"] for row in few] == ["two", "four", "five"]


def test_no_text_is_asked_about_that_is_an_example_or_nearly_one_and_no_student_learns_it(tmp_path: Path):
    from pipelines.taught_labels import _unlabelled

    corpus = ["Of its own.", "OF its own.", FEW[0], HELD[0].upper(), "Nothing of the kind!!", CORPUS[0]]
    made = work(tmp_path / "a", {}, corpus)
    found = unlabelled(made, 100)
    assert _unlabelled(made, 100) == [(text,) for text in found]
    assert sorted(text.lower() for text in found) == sorted(["of its own.", CORPUS[0].lower()])


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"task": "multi_label"}, "finetune.self_training is for tasks that give one text one label; multi_label"),
        ({"task": "pair_classification"}, "one text one label; pair_classification"),
        ({"task": "summarisation", "pretrain.objective": "causal"}, "one text one label; summarisation"),
        ({"finetune.epochs": 0, "finetune.prompt": ASKED}, "finetune.self_training is set, and .* nothing learns"),
        ({"finetune.self_training.threshold": 1.5}, "self_training.threshold: Input should be less than or equal"),
    ],
)  # fmt: skip
def test_what_cannot_teach_itself_is_refused_before_anything_runs(changes: dict[str, object], problem: str):
    with pytest.raises(Refused, match=problem):
        load_recipe(RECIPE, TOY | {"finetune.self_training": {}} | changes)


LEARNING = {"epochs": 12, "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Work:
    """A fine-tuning with two rounds that was not disturbed."""
    folder = tmp_path_factory.mktemp("taught")
    encoder_folder(folder / "base" / "model")
    made = work(folder / "whole", {"threshold": 0.5, "rounds": 2}, **LEARNING)
    finetuned(made)
    return made


@pytest.mark.slow
def test_rounds_that_validate_better_are_kept_and_the_first_that_does_not_is_the_last(tmp_path: Path):
    encoder_folder(tmp_path / "base" / "model")
    made, models = work(tmp_path / "made", None), []

    def training(_: Work, more: list[dict[str, str]]) -> Tuned:
        number = len(models)  # one label of all texts, and the other one in the next round
        found = saying(number % 2, tmp_path / "base" / "model", (0.5, 0.7, 0.9, 0.9, 1.0)[number])
        models.append((found.model, more))
        return found

    best, rounds = self_trained(made, SelfTraining(rounds=10), training)
    assert [(row["before"], row["after"], row["kept"]) for row in rounds] == [
        (0.5, 0.7, True), (0.7, 0.9, True), (0.9, 0.9, False)]  # fmt: skip
    assert best.model is models[2][0]
    assert read_rows(made.out / "pseudo_labelled.jsonl") == models[2][1]
    assert [{row["label"] for row in rows} for _, rows in models] == [set(), {"read"}, {"write"}, {"read"}]


def saying(label: int, base: Path, value: float) -> Tuned:
    """A model that says one label of all texts, and validates as it is told."""
    from models.backbone import new_classifier
    from models.record import Record

    model, tokenizer = new_classifier(base, ["read", "write"], 1, 32, 1)
    model.eval()
    model.head.bias.data[label] = 50.0
    return Tuned(model, tokenizer, Record(epochs=[{"validation": {"accuracy": value}}], best_epoch=1))


@pytest.mark.slow
@pytest.mark.parametrize(("content", "goes_on"), [("", False), ('[{"id": "1", "te', False), (None, True)])
def test_a_round_goes_on_with_the_rows_that_it_chose_unless_they_were_lost(
    content: str | None, goes_on: bool, tmp_path: Path
):
    encoder_folder(tmp_path / "base" / "model")
    made, learned = work(tmp_path / "made", None), list[list[dict[str, str]]]()
    chosen = [{"id": "corpus~1", "text": "Chosen elsewhere.", "label": "read"}]
    (tmp_path / "made" / "round-1").mkdir()
    (tmp_path / "made" / "round-1" / "rows.json").write_text(json.dumps(chosen) if content is None else content)

    def training(_: Work, more: list[dict[str, str]]) -> Tuned:
        learned.append(more)
        return saying(1, tmp_path / "base" / "model", len(learned) / 2)

    self_trained(made, SelfTraining(), training)
    assert learned[0] == []
    assert (learned[1] == chosen) == goes_on
    assert read_json(tmp_path / "made" / "round-1" / "rows.json") == learned[1]


@pytest.mark.slow
def test_what_was_learned_stands_in_the_metrics_and_beside_the_weights(whole: Work):
    found, rows = read_json(whole.out / "metrics.json"), read_rows(whole.out / "pseudo_labelled.jsonl")
    first, *others = found["self_training"]
    assert first["taken"] == first["asked"] == len(CORPUS) == sum(first["labels"].values())
    assert all(row["kept"] == (row["before"] < row["after"]) for row in (first, *others))
    # Whether a round gains depends on the machine's last digits: what is written has to say so either way.
    kept = [row for row in (first, *others) if row["kept"]]
    validated = kept[-1]["after"] if kept else first["before"]
    assert found["epochs"][found["best_epoch"] - 1]["validation"]["accuracy"] == validated
    assert {row["text"] for row in rows} == (set(CORPUS) if kept else set())
    assert dict(Counter(row["label"] for row in rows)) == (kept[-1]["labels"] if kept else {})


@pytest.mark.slow
def test_a_training_that_is_killed_in_a_round_goes_on_there_to_the_very_same_weights(
    whole: Work, capsys: pytest.CaptureFixture[str]
):
    folder = whole.out.parent.parent / "killed"
    broken = work(folder, {"threshold": 0.5, "rounds": 2}, **LEARNING)
    assert killed(partial(finetuned, broken), 28, folder / "round-1")
    capsys.readouterr()
    assert finetuned(broken) == sha256_file(whole.out / "model" / "model.safetensors")
    resumed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("resumed from checkpoint")]
    assert len(resumed) == 2
    for name in ("metrics.json", "pseudo_labelled.jsonl", "curve.jsonl"):
        assert (broken.out / name).read_bytes() == (whole.out / name).read_bytes()


@pytest.mark.slow
def test_where_no_answer_is_sure_the_model_is_that_of_the_labelled_rows(whole: Work):
    folder = whole.out.parent.parent
    plain = finetuned(work(folder / "plain", None))
    made = work(folder / "nothing", {"threshold": 1.0})
    assert finetuned(made) == plain
    (only,) = read_json(made.out / "metrics.json")["self_training"]
    assert (only["taken"], only["kept"]) == (0, False)
    assert (made.out / "pseudo_labelled.jsonl").read_bytes() == b""


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"method": "lora"}, {"contrastive": 1}])
def test_every_way_to_a_classifier_teaches_itself(whole: Work, changes: dict[str, object], tmp_path: Path):
    made = work(tmp_path / "made", {"threshold": 0.5, "most": 3}, **changes)
    made = replace(made, inputs=made.inputs | {"model": whole.inputs["model"]})
    finetuned(made)
    (only,) = read_json(made.out / "metrics.json")["self_training"]
    assert 0 < only["taken"] <= 6
