"""What a model is unsure of is queued for people to label, each text once and none that is known; answers come back."""

import json
from pathlib import Path

import numpy as np
import pytest

from models import sampling
from models.tasks import TASKS
from pipelines import label_queue as queues
from pipelines.errors import Refused
from pipelines.formats import FORMATS
from pipelines.label_formats import LABEL_FORMATS, Queued
from pipelines.rows import problems, read_rows
from pipelines.settings import Settings, read_settings
from tests import toy_models
from tests.toy_models import TEXTS

TASK, PAIRS = TASKS["classification"], TASKS["pair_classification"]
RECIPE = """
name = "topics"
description = "What is it about?"
task = "classification"
data = { corpus = "corpus/a.jsonl", examples = "tasks/topics", replay = { corpus = "corpus/b.jsonl" } }
base = { model = { scratch = "micro-encoder" } }
pretrain = { objective = "masked", tokens = 0 }
review = { reviewers = ["reviewer"] }
"""


def rows(texts: list[str], **more: object) -> list[dict[str, object]]:
    return [{"id": f"r{n}", "text": text, "lang": "en", **more} for n, text in enumerate(texts)]


def write_rows(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home with a recipe, and rows of which six are labelled."""
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "topics.toml").write_text(RECIPE)
    for number, split in enumerate(queues.SPLITS):
        known = [row | {"label": "a"} for row in rows(TEXTS[2 * number : 2 * number + 2])]
        write_rows(tmp_path / "data" / "tasks" / "topics" / f"{split}.jsonl", known)
    places = {"HOME": tmp_path, "RECIPES": tmp_path / "recipes", "DATA": tmp_path / "data"}
    return read_settings({f"SCRIPTORIUM_{name}": str(path) for name, path in places.items()})


def test_the_least_sure_have_the_highest_entropy_and_margin():
    answers = [{"a": 0.5, "b": 0.5, "c": 0.0}, {"a": 0.4, "b": 0.3, "c": 0.3}, {"a": 0.98, "b": 0.01, "c": 0.01}]
    assert [round(sampling.entropy(a), 3) for a in answers] == [0.631, 0.991, 0.102]
    assert [round(sampling.margin(a), 3) for a in answers] == [1.0, 0.9, 0.03]
    assert sampling.least_sure([0.1, 0.9, 0.5], 1) == [1, 2, 0]


def test_what_is_chosen_lies_apart_where_the_least_sure_alone_would_all_be_alike():
    near, far = np.array([[1.0, n / 1000] for n in range(20)]), np.tile([0.0, 1.0], (2, 1))
    unsure = [0.9] * 20 + [0.8] * 2
    for seed in range(5):
        chosen = sampling.chosen(unsure, np.concatenate([near, far]), 2, seed)
        assert chosen[0] == 0
        assert chosen[1] >= 20


def test_every_text_is_chosen_once_even_where_none_is_unlike_another():
    vectors = np.ones((5, 3))
    assert sampling.chosen([0.1, 0.5, 0.2, 0.3, 0.4], vectors, 9, 1) == [1, 0, 2, 3, 4]
    drawn = sampling.chosen([0.5] * 40, np.random.default_rng(1).normal(size=(40, 3)), 40, 1)
    assert sorted(drawn) == list(range(40))


def test_what_is_labelled_or_nearly_so_and_what_stands_there_twice_is_left_out():
    long = "A very long sentence about the weather in the north of the country and in the south of it as well."
    pool = rows(["Deletes  the KEY.", "Lists the role.", "Lists the role.", f"{long} Indeed.", "Creates the queue."])
    kept, left_out = queues.unlabelled(TASK, pool, ["Deletes the key.", long])
    assert [row["text"] for row in kept] == ["Lists the role.", "Creates the queue."]
    assert left_out == {"labelled": 2, "twice": 1}


QUEUE = [Queued(row, "b", 0.625, 0.75) for row in rows(["One <text> & more.", "Zwei.", "三。", "Four."], source="web")]


def given(form: str, text: str, labels: list[list[str]]) -> str:
    """What the tool exports once people have labelled the rows of a queue."""
    if form == "jsonl":
        filled = [
            {**row, "label": (label or [None])[0]}
            for row, label in zip(map(json.loads, text.splitlines()), labels, strict=True)
        ]
        return "".join(json.dumps(row) + "\n" for row in filled)
    items = json.loads(text)
    for item, own in zip(items, labels, strict=True):
        if form == "argilla":
            item["responses"] = {"label": [{"value": label, "user_id": "u", "status": "submitted"} for label in own]}
        else:
            results = [
                [{"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": [label]}}]
                for label in own
            ]
            item["annotations"] = [{"was_cancelled": False, "result": result} for result in results]
            item["annotations"].append({"was_cancelled": True, "result": results[0] if results else []})
    return json.dumps(items)


@pytest.mark.parametrize("form", LABEL_FORMATS)
def test_answers_come_back_as_rows_that_can_be_ingested(form: str, settings: Settings, tmp_path: Path):
    labels = [["a"], [], ["b"] if form == "jsonl" else ["b", "b", "a"], ["a"] if form == "jsonl" else ["a", "b"]]
    exported = tmp_path / "exported"
    exported.write_text(given(form, LABEL_FORMATS[form].write(TASK, QUEUE), labels))
    found = queues.label_answers("topics", exported, tmp_path / "rows.jsonl", settings, form)
    came = read_rows(tmp_path / "rows.jsonl")
    expected = [("r0", "a"), ("r2", "b")] + ([("r3", "a")] if form == "jsonl" else [])
    assert [(row["id"], row["label"]) for row in came] == expected
    assert came[0] == {"id": "r0", "text": "One <text> & more.", "lang": "en", "source": "web", "label": "a"}
    assert not [problem for row in came for problem in problems(row, FORMATS["classification"])]
    assert found["left_out"] == {"unanswered": 1} | ({} if form == "jsonl" else {"disagreed": 1})


def test_the_labelling_interface_is_xml_whatever_the_labels_hold():
    from xml.etree import ElementTree as ET

    told = LABEL_FORMATS["label-studio"].setup(PAIRS, ['a "b" & <c>', "d"])
    view = ET.fromstring(told)
    assert [text.get("value") for text in view.iter("Text")] == ["$text_a", "$text_b"]
    assert [choice.get("value") for choice in view.iter("Choice")] == ['a "b" & <c>', "d"]


def test_an_export_of_another_format_or_with_an_unknown_label_is_refused(settings: Settings, tmp_path: Path):
    file = tmp_path / "exported"
    file.write_text(LABEL_FORMATS["argilla"].write(TASK, QUEUE))
    with pytest.raises(Refused, match="is not what label-studio exports"):
        queues.label_answers("topics", file, tmp_path / "rows.jsonl", settings, "label-studio")
    file.write_text(LABEL_FORMATS["jsonl"].write(TASK, QUEUE).replace('"label": null', "", 1))
    with pytest.raises(Refused, match=r"is not what jsonl exports \(ValueError: line 1: "):
        queues.label_answers("topics", file, tmp_path / "rows.jsonl", settings, "jsonl")
    assert not (tmp_path / "rows.jsonl").exists()
    (settings.recipes / "topics.toml").write_text(
        RECIPE.replace('examples = "tasks/topics"', 'examples = "tasks/topics", labels = ["sport", "trade"]')
    )
    file.write_text(given("argilla", LABEL_FORMATS["argilla"].write(TASK, QUEUE), [["sports"], [], [], []]))
    with pytest.raises(Refused, match=r"r0 is labelled 'sports'.*sport"):
        queues.label_answers("topics", file, tmp_path / "rows.jsonl", settings, "argilla")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"id": "x"}', "line 2: 'text' must be a text"),
        ('{"id": "r0", "text": "b"}', "line 2: the id 'r0' stands in line 1 too"),
        ('{"text": "b"}', "line 2: .*id"),
        ("[]", "line 2: a JSON list"),
        ('{"id": "x", "text": "b", "prediction": "a"}', "line 2: a queue has a column 'prediction' of its own"),
        ('{"id": "x", "text": "b", "probability": 1}', "line 2: .*'probability'"),
        ('{"id": "x", "text": "b", "uncertainty": null}', "line 2: .*'uncertainty'"),
    ],
)
def test_a_row_of_the_pool_that_could_not_be_ingested_is_refused(
    line: str, problem: str, settings: Settings, tmp_path: Path
):
    pool = tmp_path / "pool.jsonl"
    pool.write_text(json.dumps({"id": "r0", "text": "a", "label": "old"}) + f"\n{line}\n")
    recipe = queues.recipe_named("topics", settings)
    with pytest.raises(Refused, match=problem):
        queues.pool_rows(TASK, recipe, pool)


def test_a_recipe_without_a_model_and_one_without_labels_are_refused(settings: Settings, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(settings.home))
    monkeypatch.setenv("SCRIPTORIUM_DATA", str(settings.data))
    write_rows(tmp_path / "pool.jsonl", rows(TEXTS[:6]))
    asked = {"count": 2, "form": "jsonl", "uncertainty": "entropy", "seed": 1}
    with pytest.raises(Refused, match=r"--pool .*nowhere is no file"):
        queues.label_queue("topics", tmp_path / "nowhere", tmp_path / "out", settings, **asked)
    with pytest.raises(Refused, match=r"--out: .*nowhere is no folder that can be written in; make it"):
        queues.label_queue("topics", tmp_path / "pool.jsonl", tmp_path / "nowhere" / "out", settings, **asked)
    with pytest.raises(Refused, match="has no row to label: 6 labelled"):
        queues.label_queue("topics", tmp_path / "pool.jsonl", tmp_path / "out", settings, **asked)
    other = RECIPE.replace('"classification"', '"retrieval"').replace('"topics"', '"finder"')
    (settings.recipes / "finder.toml").write_text(other)
    with pytest.raises(
        Refused, match="have no one label to ask for, only those of classification, pair_classification"
    ):
        queues.label_queue("finder", tmp_path / "pool.jsonl", tmp_path / "out", settings, **asked)


@pytest.mark.slow
def test_the_queue_of_a_model_holds_what_it_is_least_sure_of_and_is_the_same_each_time(tmp_path: Path):
    from models import backbone
    from models.predict import classify

    model, tokenizer = backbone.new_classifier(toy_models.encoder_folder(tmp_path / "e"), ["a", "b", "c"], 1, 32, 1)
    backbone.save(model, tokenizer, tmp_path / "model")
    pool = rows(TEXTS)
    queue, labels = queues.ranked(TASK, tmp_path / "model", pool, 5, "margin", 3)
    again, _ = queues.ranked(TASK, tmp_path / "model", pool[::-1], 5, "margin", 3)
    chances = classify(*backbone.load_classifier(tmp_path / "model"), [(text,) for text in TEXTS])
    unsure = sorted((sampling.margin(found) for found in chances), reverse=True)
    assert labels == ["a", "b", "c"]
    assert queue[0].uncertainty == pytest.approx(unsure[0], abs=1e-5)
    assert min(q.uncertainty for q in queue) >= unsure[49] - 1e-5
    assert len({q.row["text"] for q in queue}) == 5
    assert queue == queues.ranked(TASK, tmp_path / "model", pool, 5, "margin", 3)[0]
    assert queue[0].row["text"] == again[0].row["text"], "the least sure, in whatever order the pool comes"
