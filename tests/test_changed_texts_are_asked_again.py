"""Test rows are asked again with their texts changed: always in the same way, and the cost is told and judged."""

import json
import random
import tomllib

import pytest

from models.perturb import KINDS, perturbed
from models.tasks import TASKS
from pipelines.changed_rows import changed, require_changed
from pipelines.comparison import Comparison
from pipelines.errors import Refused
from pipelines.gates import judge, metric_value
from pipelines.packet_suites import robustness as told
from pipelines.recipe import Gate
from pipelines.recipe_file import parse_recipe
from pipelines.report import render_report
from pipelines.robustness_recipe import CHANGES
from pipelines.robustness_report import measured
from tests.evidence import RECIPE
from tests.test_report_can_be_read_offline import report as whole_report

TASK = TASKS["classification"]
ROWS = [
    {"id": f"r{n}", "text": f"Text <b>number</b> {n}, of many", "label": "yes" if n % 2 else "no"} for n in range(800)
]


def test_every_kind_that_a_recipe_may_name_is_one_that_there_is():
    assert tuple(KINDS) == CHANGES


@pytest.mark.parametrize(
    ("kind", "text", "after"),
    [
        ("lower_case", "Ein GUTER Film, 电影 A", "ein guter film, 电影 a"),
        ("upper_case", "A good film", "A GOOD FILM"),
        ("spaces", "电影很好", " 电影很好 "),
        ("width", "好，２０２４年：iPhone！", "好,2024年:iPhone!"),  # noqa: RUF001
        ("script", "头发的发展 and more", "頭髮的發展 and more"),
        ("script", "頭髮的發展", "头发的发展"),
        ("width", "A film, 5/5!", "A film， ５／５！"),  # noqa: RUF001
        ("typos", "电影很好, 1 a b", "电影很好, 1 a b"),
        ("typos", "aab", "aba"),
    ],
)
def test_a_text_is_changed_as_its_kind_says(kind, text, after):
    assert perturbed(kind, text, "r1") == after


def test_typos_swap_one_pair_of_neighbouring_letters_for_every_twenty():
    text = "The film was long and had many scenes that nobody in the whole audience understood"
    made = {perturbed("typos", text, f"r{n}") for n in range(50)}
    assert len(made) > 40, "each row has typos of its own"
    for one in made:
        assert [len(word) for word in one.split(" ")] == [len(word) for word in text.split(" ")]
        assert sorted(one) == sorted(text)
        assert 4 <= sum(a != b for a, b in zip(one, text, strict=True)) <= 6
    assert perturbed("typos", text, "r1") == perturbed("typos", text, "r1")


def test_three_hundred_rows_are_drawn_by_their_ids_among_those_that_change():
    drawn = changed(TASK, ROWS, "typos")
    assert len(drawn) == 300
    shuffled = random.Random(3).sample(ROWS, len(ROWS))
    assert sorted(row["id"] for row in changed(TASK, shuffled, "typos")) == sorted(row["id"] for row in drawn)
    assert all(row["label"] == ROWS[int(row["id"][1:])]["label"] for row in drawn)
    mixed = [row | ({"text": "很好"} if n >= 20 else {}) for n, row in enumerate(ROWS)]
    assert [row["id"] for row in changed(TASK, mixed, "typos")] == [f"r{n}" for n in range(20)]
    writes = [{"id": f"r{n}", "prompt": "some words", "completion": "more"} for n in range(300)]
    assert len(changed(TASKS["generation"], writes, "spaces")) == 100


def answers(rows, wrong):
    """Right answers, but to the rows that are named."""
    other = {"yes": "no", "no": "yes"}
    said = [other[row["label"]] if row["id"] in wrong else row["label"] for row in rows]
    shown = ("id", "label")
    return [
        {key: row[key] for key in shown} | {"prediction": one, "probability": 0.9}
        for row, one in zip(rows, said, strict=True)
    ]


@pytest.fixture(scope="module")
def steadiness():
    """Of 300 answers 30 became wrong with typos, and 15 right; capitals change none."""
    typos, capitals = changed(TASK, ROWS, "typos"), changed(TASK, ROWS, "upper_case")
    ids = [row["id"] for row in typos]
    after = {"typos": answers(typos, set(ids[:30])), "upper_case": answers(capitals, set(ids[30:45]))}
    return measured(Comparison(TASK, ROWS, seed=7), answers(ROWS, set(ids[30:45])), after)


def test_flips_and_loss_are_those_of_the_same_rows_before(steadiness):
    typos, capitals = steadiness["typos"], steadiness["upper_case"]
    assert typos["n"] == typos["groups"] == 300
    assert typos["flip_rate"]["value"] == 0.15
    assert typos["metric"]["value"] == 0.9
    assert typos["loss"]["value"] == 0.05
    assert 0 < typos["loss"]["low"] < 0.05 < typos["loss"]["high"]
    assert [one["id"] for one in typos["flips"]] == [row["id"] for row in changed(TASK, ROWS, "typos")[:3]]
    assert typos["flips"][0]["texts"] != [ROWS[0]["text"]]
    assert capitals["loss"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert capitals["flips"] == []


def test_gates_limit_flips_and_loss_and_what_is_missing_never_passes(steadiness):
    found = {"metrics": {}, "robustness": steadiness}
    gates = [Gate(metric=name, at_most=0.1) for name in ("flip_rate_typos", "robustness_loss_typos", "flip_rate_width")]
    assert [verdict.outcome for verdict in judge(gates, found)] == ["fail", "pass", "error"]
    for outdated in ({}, {"robustness": {}}, {"robustness": {"typos": {"flip_rate": None}}}):
        assert metric_value("flip_rate_typos", {"metrics": {}, **outdated}) is None


def test_the_page_and_the_packet_show_the_changes(steadiness):
    page = render_report(whole_report() | {"robustness": steadiness})
    row = page.split("<td>Typos</td>")[1].split("</tr>")[0]
    assert "<b>0.150</b>" in row
    assert "<b>+0.050</b>" in row
    assert page.count('<span class="badge plain">Typos</span>') == 3
    assert "<b>number</b>" not in page
    silent = steadiness["typos"]["flips"][0] | {"before": ["a", "b"], "after": []}
    several = {"typos": steadiness["typos"] | {"flips": [silent]}}
    shown = render_report(whole_report() | {"robustness": several})
    assert "Before <b>a, b</b> &middot; after the change <b>no label</b>" in shown
    assert "The same texts, changed" not in render_report(whole_report())
    said = told({"primary": "accuracy", "robustness": steadiness})
    assert "| typos | 300 | 0.1500 (" in said
    assert "| upper case | 300 | 0.0000 (0.0000 to 0.0000) | +0.0000 (+0.0000 to +0.0000) |" in said


@pytest.mark.parametrize(
    ("task", "kinds", "gate", "message"),
    [
        ("classification", ["typo"], {}, "evaluate.robustness.0"),
        ("classification", ["typos", "typos"], {}, "evaluate.robustness: 'typos' stands there twice"),
        ("recommendation", ["typos"], {}, "evaluate.robustness changes texts whose right answer stays"),
        ("retrieval", ["typos"], {}, "evaluate.robustness changes texts whose right answer stays"),
        ("rewriting", ["typos"], {}, "evaluate.robustness changes texts whose right answer stays"),
        ("dialog", ["typos"], {}, "evaluate.robustness changes texts whose right answer stays"),
        ("classification", [], {"metric": "flip_rate_typos", "at_most": 0.1}, "flip_rate_typos needs 'typos' in"),
        ("classification", ["typos"], {"metric": "flip_rate_typos", "at_least": 0.1}, "it takes at_most"),
        ("classification", ["typos"], {"metric": "flip_rate_typo", "at_most": 0.1}, "did you mean 'flip_rate_typos'?"),
        ("summarisation", ["typos"], {"metric": "flip_rate_typos", "at_most": 0.1}, "summarisation has no metric"),
    ],
)
def test_a_recipe_that_asks_for_what_cannot_be_is_refused(task, kinds, gate, message):
    objective = TASKS[task].objective
    values = tomllib.loads(RECIPE)
    values |= {"task": task, "evaluate": {"robustness": kinds}, "gates": [gate] if gate else []}
    values["pretrain"] |= {"objective": objective}
    with pytest.raises(Refused) as refusal:
        parse_recipe(values, "test")
    assert message in str(refusal.value)


def test_a_kind_that_changes_no_test_row_is_refused_with_the_file(tmp_path):
    path = tmp_path / "test.jsonl"
    path.write_text(json.dumps({"id": "a", "text": "很好", "label": "yes"}) + "\n")
    require_changed(TASK, path, ["spaces"])
    with pytest.raises(Refused, match=r"evaluate.robustness: 'typos' changes no row of .*test.jsonl; leave it out"):
        require_changed(TASK, path, ["spaces", "typos"])
