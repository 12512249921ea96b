"""The model card says what the dossier says, the same in both languages, and nothing that it quotes acts as markup."""

import re
import subprocess
import sys
import tomllib

import pytest
from huggingface_hub import ModelCard  # noqa: TID253 - it is what reads a card

from models.tasks import TASKS
from pipelines import dossier as dossiers
from pipelines.dossier import Dossier, Opponent
from pipelines.model_card import LANGUAGES, LATER, model_card
from pipelines.recipe_file import parse_recipe
from pipelines.settings import ROOT, read_settings
from tests.evidence import MD5, RECIPE, dossier_of

NUMBER = re.compile(r"\d[\d,.]*\d|\d")
GAP = {"value": -0.05, "low": -0.08, "high": -0.02}
HIGH, LOW = ({"value": value, "low": value - 0.03, "high": value + 0.03} for value in (0.9, 0.6))


def slice_of(value, metric, **changes):
    row = {"slice": "topic", "value": value, "n": 300, "groups": 100, "metric": metric, "champion": None}
    return row | {"difference": None, "judged": True, "moved": "unclear"} | changes


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path))
    return read_settings()


@pytest.fixture
def dossier(settings):
    return dossier_of(settings)


def changed(dossier, recipe=None, **report):
    changes = {"recipe": dossier.recipe | (recipe or {}), "report": dossier.report | report}
    return dossier.model_copy(update=changes)


def student(dossier):
    distil = {"distil": {"student": "hf://org/small", "release": True}, "evaluate": {"control": False}}
    recipe = parse_recipe(tomllib.loads(RECIPE) | distil, "test").model_dump(mode="json")
    gap = {"metrics": {"accuracy": 0.83}, "difference": GAP}
    return changed(dossier, recipe, teacher=gap | {"parameters": 1_234_567, "teacher_parameters": 7_654_321})


def successor(dossier):
    """With a champion, McNemar's test, slices that moved or are small, and what was forgotten."""
    champion = {"metrics": {"accuracy": {"value": 0.79}}, "difference": GAP}
    champion["mcnemar"] = {"won": 3, "lost": 9, "p": 0.146}
    stages = {"base": 2.0, "pretrained": 1.9, "finetuned": 2.3}
    report = {
        "champion": champion,
        "slices": [
            slice_of("sport", LOW, difference=GAP, moved="worse"),
            slice_of("law", HIGH, difference=GAP, moved="better"),
            *(slice_of(f"t{n}", HIGH | {"value": 0.81 + n / 100}, difference=GAP) for n in range(5)),
            slice_of("rare", None, n=17, judged=False),
        ],
        "bits_per_byte": {stage: {"general": value} for stage, value in stages.items()},
    }
    return changed(dossier, **report).model_copy(update={"champion": Opponent(version="4", digest="d" * 64)})


def first(dossier):
    return dossier


def old(dossier):
    """Of a report that knew neither groups nor slices nor students."""
    known = {name: value for name, value in dossier.report.items() if name not in LATER}
    return dossier.model_copy(update={"report": known})


@pytest.mark.parametrize("kind", [first, student, successor, old])
def test_both_languages_say_the_same_numbers_and_a_card_is_always_the_same(dossier, kind):
    made = kind(dossier)
    english, chinese = (NUMBER.findall(model_card(made, (language,))) for language in LANGUAGES)
    assert english == chinese
    assert model_card(made) == model_card(Dossier.model_validate_json(made.text))
    assert "None" not in model_card(made)
    assert "Undefined" not in model_card(made)


def test_the_hub_reads_language_task_base_and_scores(dossier):
    recipe = {"base": {"model": "hf://org/encoder"}, "language": ["en", "zh"]}
    data = ModelCard(model_card(changed(dossier, recipe))).data
    assert (data.language, data.pipeline_tag, data.base_model) == (["en", "zh"], "text-classification", "org/encoder")
    assert data.metrics == ["accuracy", "f1"]
    accuracy = next(result for result in data.eval_results if result.metric_name == "accuracy")
    assert (accuracy.metric_value, accuracy.dataset_name) == (0.8, "tasks/summary_check")
    assert accuracy.dataset_revision == MD5
    assert ModelCard(model_card(dossier)).data.base_model is None
    assert ModelCard(model_card(student(dossier))).data.base_model == "org/small"


def test_it_says_what_a_reader_must_know_of_a_successor(dossier):
    card = model_card(successor(dossier), ("en",))
    assert "| the champion, version 4 | 0.7900 | -0.0500 | -0.0800 … -0.0200 | 0.146 |" in card
    assert "| topic: sport | 300 | 0.6000 | 0.5700 … 0.6300 | worse | -0.0500 |" in card
    assert re.findall(r"topic: (\w+)", card) == ["sport", "law", "t0", "t1", "t2", "rare"]
    assert "too small to be judged: topic: rare (17)." in card
    assert "| general | 2.0000 | 1.9000 | 2.3000 | +15.0% |" in card
    assert "There was none" not in card
    assert all(gate.metric in card and gate.outcome in card for gate in successor(dossier).gates)


def test_it_says_what_was_not_measured_of_a_first_release(dossier):
    card = model_card(dossier, ("en",))
    for limit in ("no champion: there was none", "cannot be had here: ece, auc", "was looked at by itself"):
        assert limit in card
    assert "forgotten of general text was not measured" in card
    assert dossier.sha256 in card
    assert all(entry.sha256 in card for entry in dossier.model.files.values())


def test_it_names_nobody_and_no_place_on_a_machine(dossier):
    card = model_card(dossier)
    assert "reviewer" not in card
    assert "engineer" not in card
    assert dossier.model.uri not in card


@pytest.mark.parametrize("name", sorted(TASKS))
def test_there_is_a_card_for_every_task(dossier, name):
    task = TASKS[name]
    scores = {metric: {"value": 0.5, "low": None, "high": None} for metric in task.measures}
    card = model_card(changed(dossier, {"task": name}, primary=task.primary, metrics=scores, baselines={}))
    assert {result.metric_name for result in ModelCard(card).data.eval_results} == set(task.measures)
    (asked,) = set(re.findall(r"model.predict\(\[(.*)\]\)", card))
    assert set(task.inputs) <= set(eval(asked))


HOSTILE = "x\n---\nlicense: mit\n---\n# <script>alert(1)</script> [a](javascript:b) ![i](c) `d` | evil {{ seal }} $f$"


def test_texts_of_a_recipe_cannot_act_as_markup(dossier):
    data = dossier.recipe["data"]
    recipe = {"description": HOSTILE, "data": data | {"labels": [HOSTILE, "no"], "examples": HOSTILE}}
    card = model_card(changed(dossier, recipe, slices=[slice_of(HOSTILE, HIGH)]))
    read = ModelCard(card)
    assert read.data.get("license") is None
    assert read.data.eval_results[0].dataset_name == HOSTILE
    assert "---" not in read.text.splitlines()
    assert not re.search(r"(?<!\\)<", read.text)
    assert not re.search(r"(?<!\\)\]\(", read.text)
    assert not re.search(r"(?<!\\)`d|(?<!\\)\| evil|(?<!\\)\$f", read.text)
    assert [line[:9] for line in read.text.splitlines() if line.startswith("# ")] == ["# checker", "# checker"]


@pytest.mark.slow
def test_the_command_prints_it_whole_or_in_one_language(dossier, settings):
    dossiers.write(dossier, settings)
    command = [sys.executable, "-m", "pipelines.cli", "dossier", "card", dossier.sha256[:8]]
    run = {"cwd": ROOT, "capture_output": True, "text": True, "check": True}
    assert subprocess.run(command, **run).stdout == model_card(dossier)
    assert subprocess.run([*command, "--lang", "zh"], **run).stdout == model_card(dossier, ("zh",))
