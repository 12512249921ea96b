"""Training rows are copied with other names, products and dates: the same one wherever a row names it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models import stop
from models.slots import Slots, with_other_values
from models.tasks import TASKS
from models.words import whole
from pipelines.artifact import read_json
from pipelines.augment_files import require_files, slots_of
from pipelines.augment_recipe import Augment
from pipelines.augmentation import augmented
from pipelines.errors import Refused
from pipelines.examples import read_split
from pipelines.recipe_file import load_recipe
from pipelines.rows import read_rows
from pipelines.settings import ROOT
from pipelines.steps import Work
from tests import toy_models
from tests.training_work import work_of, write_splits

RECIPE = ROOT / "pipelines" / "recipes" / "summary_checker.toml"
SLOTS = Slots({"product": ("Alpha", "Alpha Pro", "Beta"), "day": ("Monday", "Friday")})
FILE = (
    '{"slot": "product", "values": ["Alpha", "Alpha Pro", "Beta"]}\n\n{"slot": "day", "values": ["Monday", "Friday"]}\n'
)


def work(folder: Path, task: str, train: list[dict[str, Any]], test: list[dict[str, Any]], copies: int = 1) -> Work:
    objective = "causal" if TASKS[task].answer == "text" else "masked"
    changes = {"task": task, "gates": [], "pretrain.objective": objective, "evaluate.control": False}
    recipe = load_recipe(RECIPE, changes | {"finetune.augment": {"slots": "slots.jsonl", "copies": copies}})
    numbered = {
        split: [{"id": f"{split}{n}", "lang": "en"} | row for n, row in enumerate(rows)]
        for split, rows in (("train", train), ("validation", test), ("test", test))
    }
    write_splits(folder / "dataset" / recipe.data.examples, **numbered)
    (folder / "dataset" / "slots.jsonl").write_text(FILE)
    return work_of(recipe, folder, {"dataset": folder / "dataset"})


def copies_of(made: Work, task: str) -> list[dict[str, Any]]:
    rows = read_split(made, "train")
    return augmented(made, TASKS[task], rows)[len(rows) :]


def test_a_value_is_replaced_by_another_of_its_slot_the_same_in_all_texts():
    found = with_other_values(["Is Alpha Pro here on Monday?", "Alpha Pro comes on Monday."], SLOTS, "1")
    (first, second) = found
    product = first.removeprefix("Is ").partition(" here")[0]
    assert product in {"Alpha", "Beta"}
    assert [first, second] == [f"Is {product} here on Friday?", f"{product} comes on Friday."]
    assert found == with_other_values(["Is Alpha Pro here on Monday?", "Alpha Pro comes on Monday."], SLOTS, "1")


def test_two_values_of_a_slot_stay_two():
    for seed in "123456789":
        (found,) = with_other_values(["From one to two."], Slots({"n": ("one", "two", "three")}), seed)
        one, two = found.removeprefix("From ").removesuffix(".").split(" to ")
        assert one not in {"one", two}
        assert two != "two"


def test_a_row_in_which_a_value_would_stay_is_none():
    assert with_other_values(["Beta is new.", "I like BETA."], SLOTS, "1") is None
    assert with_other_values(["Beta and two Betas."], SLOTS, "1") is None
    assert with_other_values(["Alphabet."], SLOTS, "1") == ["Alphabet."]
    short = Slots({"language": ("Go", "Rust")})
    assert with_other_values(["We are going to write Go."], short, "1") == ["We are going to write Rust."]


def test_chinese_values_and_latin_names_between_chinese_characters_are_found():
    slots = Slots({"product": ("手机", "电脑"), "brand": ("Alpha", "Beta")})
    assert with_other_values(["我买了Alpha手机。"], slots, "1") == ["我买了Beta电脑。"]


def test_the_longest_is_found_whether_it_is_chinese_or_stands_before_chinese():
    found = whole(["Alpha", "Alpha手机", "Alpha Pro", "手机"])
    assert found.findall("我的Alpha手机和Alpha Pro手机, Alphas, Alpha Pros") == [
        "Alpha手机",
        "Alpha Pro",
        "手机",
        "Alpha",
    ]


def test_many_values_are_looked_for_by_one_pattern_that_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = work(tmp_path, "classification", [{"text": f"{n} on Monday", "label": "a"} for n in range(5)], [], copies=3)
    asked, compiled = [], whole
    monkeypatch.setattr("models.slots.whole", lambda *given: asked.append(1) or compiled(*given))
    assert len(copies_of(made, "classification")) == 5
    assert len(asked) == 1 + 3 * 5, "and one for what a row names"


def test_a_stop_is_answered_at_the_next_row(tmp_path: Path):
    made = work(tmp_path, "classification", [{"text": "on Monday", "label": "a"}], [])
    stop.requested.set()
    try:
        with pytest.raises(stop.Stopped, match="augmenting"):
            copies_of(made, "classification")
    finally:
        stop.requested.clear()


def test_question_and_answer_of_a_dialog_name_the_same_value(tmp_path: Path):
    said = [("system", "We sell Beta."), ("user", "Hello"), ("assistant", "Hello!"),
            ("user", "When is Alpha here?"), ("assistant", "Alpha comes on Monday.")]  # fmt: skip
    row = {"messages": [{"role": role, "content": text} for role, text in said], "context": ["Alpha: on Monday"]}
    other = {"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "We."}]}
    (copy,) = copies_of(work(tmp_path, "dialog", [row], [other]), "dialog")
    assert [message["role"] for message in copy["messages"]] == ["system", "user", "assistant", "user"]
    product = copy["reply"].removesuffix(" comes on Friday.")
    assert product in {"Alpha Pro", "Beta"}
    assert copy["messages"][0]["content"] == f"We sell {'Alpha' if product == 'Alpha Pro' else 'Alpha Pro'}."
    assert copy["messages"][-1]["content"] == f"When is {product} here?"
    assert copy["context"] == [f"{product}: on Friday"]


def test_what_a_text_must_name_changes_with_it_and_what_is_to_be_done_with_a_text_does_not(tmp_path: Path):
    row = {"prompt": "Come", "attributes": ["name#Beta"], "completion": "Come for Beta."}
    (copy,) = copies_of(
        work(tmp_path / "told", "generation", [row], [{"prompt": "a", "completion": "b"}]), "generation"
    )
    assert copy["completion"] == f"Come for {copy['attributes'][0].removeprefix('name#')}." != row["completion"]
    row = {"source": "We polish it.", "target": "We do polish it.", "kind": "polish"}
    made = work(tmp_path / "kind", "rewriting", [row], [{"source": "a", "target": "b"}])
    (made.inputs["dataset"] / "slots.jsonl").write_text('{"slot": "verb", "values": ["polish", "wash"]}')
    (copy,) = copies_of(made, "rewriting")
    assert (copy["source"], copy["target"], copy["kind"]) == ("We wash it.", "We do wash it.", "polish")


def test_an_advertisement_names_the_value_that_its_prompt_asks_for(tmp_path: Path):
    rows = [
        {"prompt": "name#Beta*day#Monday", "completion": "Come on Monday for Beta.", "refs": ["Beta, Monday only."]},
        {"prompt": "name#nothing", "completion": "No value stands here."},
    ]
    made = work(tmp_path, "generation", rows, [{"prompt": "name#other", "completion": "Another."}])
    (copy,) = copies_of(made, "generation")
    product = copy["prompt"].removeprefix("name#").partition("*")[0]
    assert product != "Beta"
    assert copy["prompt"] == f"name#{product}*day#Friday"
    assert copy["completion"] == f"Come on Friday for {product}."
    assert copy["refs"] == [f"{product}, Friday only."]
    assert copy["id"] == "train0~slots1"
    assert read_json(made.out / "augmentation.json") == {
        "rows": 2,
        "added": 1,
        "dropped": {"near_held_out": 0, "already_there": 1, "incomplete": 0},
    }


def test_a_copy_that_is_nearly_a_test_row_or_has_a_value_left_is_dropped(tmp_path: Path):
    rows = [{"text": "Open on Monday as always.", "label": "a"}, {"text": "Monday or MONDAY.", "label": "b"}]
    made = work(tmp_path, "classification", rows, [{"text": "Open on Friday as always!", "label": "a"}])
    assert copies_of(made, "classification") == []
    found = read_json(made.out / "augmentation.json")["dropped"]
    assert found == {"near_held_out": 1, "already_there": 0, "incomplete": 1}


def test_a_copy_that_asks_what_a_test_row_asks_is_dropped_whatever_it_answers(tmp_path: Path):
    answer = "Nothing of what stands here is said in any other row, and it is long enough to be unlike the rest."
    row, other = {"prompt": "Open on Monday"}, {"prompt": "Open on Friday"}
    told = work(tmp_path / "told", "generation", [row | {"completion": "As ever."}], [other | {"completion": answer}])
    turns = ["When are you open on Monday?", "When are you open on Friday?"]
    said = [[{"role": "user", "content": turn}, {"role": "assistant", "content": "At nine."}] for turn in turns]
    said[1][1]["content"] = answer
    spoken = work(tmp_path / "said", "dialog", [{"messages": said[0]}], [{"messages": said[1]}])
    for made, task in ((told, "generation"), (spoken, "dialog")):
        assert copies_of(made, task) == []
        assert read_json(made.out / "augmentation.json")["dropped"]["near_held_out"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("task", ["generation", "multi_label"])
def test_a_training_of_written_texts_and_of_several_labels_goes_through_the_copies_too(task: str, tmp_path: Path):
    from models import backbone
    from pipelines.answers import kind_of

    rows: list[dict[str, Any]] = [{"prompt": f"{n} on Monday", "completion": f"Monday, {n}."} for n in range(3)]
    tokenizer = toy_models.decoder_tokenizer()
    if task == "generation":
        backbone.save(toy_models.decoder(len(tokenizer)), tokenizer, tmp_path / "base" / "model")
    else:
        rows = [{"text": f"{n} on Monday", "labels": ["a", "b"][: n + 1]} for n in range(3)]
        toy_models.encoder_folder(tmp_path / "base" / "model")
    made = work(tmp_path, task, rows, [{**rows[0], "text": "Unlike.", "prompt": "Unlike.", "completion": "Others."}])
    made = replace(made, inputs=made.inputs | {"model": tmp_path / "base"})
    plan = kind_of(TASKS[task]).training(made)[2]
    assert sum(map(len, plan.epochs[0])) == 6
    assert len(read_rows(made.out / "augmented.jsonl")) == 3


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"slot": "a", "values": ["x", "y"]}\n{"slot": "b", "values": ["x", "z"]}', "line 2: 'x' is a value of 'a'"),
        ('{"slot": "a", "values": ["x", "x"]}', "line 1: 'x' is a value of 'a' already"),
        ('{"slot": "a", "values": ["x"]}', "line 1 is no slot .*at least 2"),
        ('{"slot": "a", "values": ["x", " y"]}', "line 1 is no slot .values.1"),
        ('{"slot": "a", "values": ["x", "y"], "more": 1}', "line 1 is no slot .more"),
        ("a\tb", "line 1 is no slot"),
        ('{"slot": "a", "values": ["x", "y"]}\n{"slot": "a", "values": ["v", "w"]}', "line 2: the slot 'a' .* twice"),
    ],
)  # fmt: skip
def test_a_file_that_holds_no_slots_is_refused_with_its_place(content: str, problem: str, tmp_path: Path):
    (tmp_path / "slots.jsonl").write_text(content)
    with pytest.raises(Refused, match=problem):
        slots_of(tmp_path, "slots.jsonl")


@pytest.mark.parametrize(("key", "name"), [("slots", "slots.jsonl"), ("synonyms", "words.tsv")])
def test_a_file_that_is_missing_is_told_before_anything_is_made(key: str, name: str, tmp_path: Path):
    from pipelines.validate import validate

    with pytest.raises(Refused, match=rf"finetune.augment.{key}: data/ has no {name}"):
        require_files(tmp_path, Augment(**{key: name}))
    made = work(tmp_path, "classification", [], [])
    (tmp_path / "dataset" / "slots.jsonl").unlink()
    with pytest.raises(Refused, match=r"finetune.augment.slots: data/ has no slots.jsonl"):
        validate(made)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"task": "retrieval"}, "finetune.augment is for tasks that answer with labels or write; retrieval"),
        ({"finetune.augment.share": 0.3}, "share is of the words"),
        ({"task": "summarisation", "finetune.augment.synonyms": "words.tsv"}, "synonyms is for tasks .* one label"),
    ],
)
def test_what_slots_are_not_for_is_refused(changes: dict[str, object], problem: str):
    plain = {"gates": [], "pretrain.objective": "causal" if changes.get("task") == "summarisation" else "masked"}
    with pytest.raises(Refused, match=problem):
        load_recipe(RECIPE, plain | {"task": "classification", "finetune.augment": {"slots": "slots.jsonl"}} | changes)
