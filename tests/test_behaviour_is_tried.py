"""What people wrote down as cases is asked of every model: what must be answered, and what may not change it."""

import json
import tomllib
from types import SimpleNamespace

import pytest

from models.tasks import TASKS
from pipelines.behaviour_cases import Case, wrong
from pipelines.behaviour_files import cases_of
from pipelines.behaviour_report import by_case, measured
from pipelines.errors import Refused
from pipelines.gates import judge, metric_value
from pipelines.packet_suites import behaviour as told
from pipelines.recipe import Gate
from pipelines.recipe_file import parse_recipe
from pipelines.report import render_report
from pipelines.try_out import try_cases
from tests.evidence import RECIPE
from tests.test_report_can_be_read_offline import report as whole_report

GOOD = {"row": {"text": "a fine film"}}


def case(kind, **keys):
    return Case.model_validate({"name": "one", "kind": kind, **GOOD, **keys})


def said(prediction, **chances):
    return {"prediction": prediction, "probabilities": chances}


@pytest.mark.parametrize(
    ("task", "keys", "answers", "problems"),
    [
        ("classification", {"kind": "minimum", "label": "good"}, ["good"], []),
        ("classification", {"kind": "minimum", "label": "good"}, ["bad"], ["said bad"]),
        ("recommendation", {"kind": "minimum", "label": 0}, ["0"], []),
        ("multi_label", {"kind": "minimum", "contains": ["oil"], "lacks": ["tin"]}, [["oil", "tin"]], ["tin is in it"]),
        ("multi_label", {"kind": "minimum", "contains": ["oil"]}, [[]], ["oil is not in it"]),
        ("summarisation", {"kind": "minimum", "contains": ["Bank"], "lacks": ["$"]}, ["A Bank"], []),
        ("retrieval", {"kind": "minimum", "contains": ["nine"]}, ["At ten."], ["nine is not in it"]),
        ("classification", {"kind": "invariance"}, ["good", "good", "bad"], ["variant 2: bad"]),
        ("multi_label", {"kind": "invariance"}, [["oil"], ["oil"], []], ["variant 2: no label"]),
        ("translation", {"kind": "invariance"}, ["Good day.", "Good  day. ", "Good day."], []),
        (
            "generation",
            {"kind": "directional", "goes": "longer", "by": 3},
            ["four", "a longer one", "longer"],
            ["variant 2: 4 characters became 6 characters"],
        ),
    ],
)
def test_a_case_fails_where_its_answers_are_not_as_it_says(task, keys, answers, problems):
    variants = [{"text": "x"}, {"text": "y"}][: len(answers) - 1]
    found = wrong(case(**keys, variants=variants), TASKS[task], [{"prediction": one} for one in answers])
    assert found == problems


@pytest.mark.parametrize(
    ("goes", "by", "passes"),
    [
        ("up", 0, [False, False, True]),
        ("up", 0.2, [False, False, False]),
        ("down", 0, [True, False, False]),
        ("not_up", 0, [True, True, False]),
        ("not_up", 0.2, [True, True, True]),
        ("not_down", 0.05, [False, True, True]),
    ],
)
def test_a_probability_must_move_or_not_as_the_case_says(goes, by, passes):
    asked = case("directional", label="good", goes=goes, by=by, variants=[{"text": t} for t in "abc"])
    answers = [said("good", good=chance, bad=1 - chance) for chance in (0.6, 0.5, 0.6, 0.75)]
    failed = wrong(asked, TASKS["classification"], answers)
    assert [not any(problem.startswith(f"variant {n}:") for problem in failed) for n in (1, 2, 3)] == passes


def test_a_label_that_the_model_does_not_know_has_no_probability_and_a_click_has_two():
    up = case("directional", label="other", goes="up", variants=[{"text": "b"}])
    assert wrong(up, TASKS["classification"], [said("good", good=1.0)] * 2) == ["variant 1: 0.0000 became 0.0000"]
    no_click = case("directional", label="0", goes="up", variants=[{"text": "b"}])
    answers = [{"prediction": "1", "probability": chance} for chance in (0.9, 0.7)]
    assert wrong(no_click, TASKS["recommendation"], answers) == []


def recipe_of(task="classification", **evaluate):
    values = tomllib.loads(RECIPE) | {"task": task, "gates": [], "evaluate": {"behaviour": ["cases.jsonl"], **evaluate}}
    values["pretrain"] |= {"objective": TASKS[task].objective}
    return parse_recipe(values, "test")


def files(folder, *lines, train=({"id": "a", "text": "x", "label": "good"}, {"id": "b", "text": "y", "label": "bad"})):
    (folder / "tasks" / "summary_check").mkdir(parents=True)
    rows = "".join(json.dumps(row) + "\n" for row in train)
    (folder / "tasks" / "summary_check" / "train.jsonl").write_text(rows)
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    (folder / "cases.jsonl").write_text(text)
    return folder


MINIMUM = {"name": "plain", "kind": "minimum", **GOOD, "label": "good"}
SAME = {"name": "names", "kind": "invariance", **GOOD, "variants": [{"text": "a fine movie"}]}
MOVES = {"name": "praise", "kind": "directional", **GOOD, "variants": [{"text": "a great film"}], "goes": "not_down"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: not JSON"),
        ({**MINIMUM, "kind": "minimal"}, "line 2: kind: Input should be 'minimum', 'invariance' or 'directional'"),
        ({**MINIMUM, "lable": "good"}, "line 2: lable is unknown; did you mean 'label'?"),
        ({**MINIMUM, "name": "first"}, "line 2: name: 'first' is the name of another case"),
        ({k: v for k, v in MINIMUM.items() if k != "row"}, "line 2: row is missing"),
        ({**MINIMUM, "row": {}}, "line 2: row.text is missing"),
        ({**MINIMUM, "row": {"text": 3}}, "line 2: row.text: Input should be a valid string"),
        ({**MINIMUM, "row": {"text": "a", "txt": "b"}}, "line 2: row.txt is unknown; did you mean 'text'?"),
        ({**MINIMUM, "label": "goood"}, "label: 'goood' is no label of the training rows; did you mean 'good'?"),
        ({**MINIMUM, "label": None}, "line 2: label is missing: say what must be answered"),
        ({**MINIMUM, "contains": ["fine"]}, "contains and lacks are for texts and several labels"),
        ({**MINIMUM, "variants": [{"text": "b"}]}, "kind 'minimum' has no variants; write a case of each"),
        ({**SAME, "variants": []}, "kind 'invariance' needs variants: the columns that change"),
        ({**SAME, "variants": [{"text": "a fine film"}]}, "variants.0 changes nothing of row; change a column"),
        ({**SAME, "variants": [{"words": "a"}]}, "variants.0.words is unknown"),
        ({**SAME, "label": "good"}, "label does not go with kind 'invariance'; leave it out"),
        ({**MOVES, "label": "good", "goes": "longer"}, "goes is 'longer'; of classification it takes one of up, down"),
        ({**MOVES, "label": "good", "goes": None}, "goes is missing; of classification it takes one of up, down"),
        (MOVES, "line 2: label is missing: say whose probability moves"),
        ({**MOVES, "label": "good", "by": -1}, "line 2: by: Input should be greater than or equal to 0"),
    ],
)
def test_a_case_that_cannot_be_asked_is_refused_with_file_line_and_field(tmp_path, line, message):
    data = files(tmp_path, {**MINIMUM, "name": "first"}, line)
    with pytest.raises(Refused) as refusal:
        cases_of(data, recipe_of())
    assert f"{tmp_path}/cases.jsonl, line 2: " in str(refusal.value)
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("task", "line", "message"),
    [
        ("summarisation", {**MINIMUM, "row": {"document": "x"}}, "label: summarisation answers with no label"),
        (
            "summarisation",
            {**SAME, "kind": "minimum", "row": {"document": "x"}, "variants": []},
            "contains or lacks is",
        ),
        (
            "retrieval",
            {**MOVES, "row": {"question": "x"}, "variants": [{"question": "y"}]},
            "retrieval has no direction",
        ),
        ("multi_label", {**MINIMUM, "label": None, "contains": ["goo"]}, "contains: 'goo' is no label of the training"),
        ("multi_label", MINIMUM, "label: a text may have several; say contains"),
        (
            "dialog",
            {
                **MINIMUM,
                "label": None,
                "contains": ["Hi"],
                "row": {"messages": [{"role": "assistant", "content": "x"}]},
            },
            "row.messages: the last of 1 is the assistant's; end with what the user asks",
        ),
        ("dialog", {**MINIMUM, "row": {"messages": [{"role": "user"}]}}, "row.messages.0.content is missing"),
    ],
)
def test_what_a_task_cannot_answer_is_refused(tmp_path, task, line, message):
    train = [{"id": "a", "text": "x", "labels": ["good", "bad"]}]
    with pytest.raises(Refused) as refusal:
        cases_of(files(tmp_path, line, train=train), recipe_of(task))
    assert message in str(refusal.value)


def test_the_files_of_a_recipe_are_read_one_after_the_other_and_must_be_there(tmp_path):
    data = files(tmp_path, MINIMUM, "", SAME)
    (data / "more.jsonl").write_text(json.dumps(MOVES | {"label": "good"}))
    assert [one.name for one in cases_of(data, recipe_of(behaviour=["cases.jsonl", "more.jsonl"]))] == [
        "plain",
        "names",
        "praise",
    ]
    with pytest.raises(Refused, match=r"data/ has no moer.jsonl; put it there, and `scriptorium data commit`"):
        cases_of(data, recipe_of(behaviour=["moer.jsonl"]))
    (data / "more.jsonl").write_text("\n")
    with pytest.raises(Refused, match="has no cases; add some"):
        cases_of(data, recipe_of(behaviour=["cases.jsonl", "more.jsonl"]))
    assert cases_of(data, recipe_of(behaviour=[])) == []
    turns = [{"role": "user", "content": "Hi"}]
    (data / "more.jsonl").write_text(
        json.dumps({**MINIMUM, "label": None, "contains": ["a"], "row": {"messages": turns}})
    )
    assert cases_of(data, recipe_of("dialog", behaviour=["more.jsonl"]))[0].row == {"messages": turns}


def test_of_many_wrong_lines_ten_are_told(tmp_path):
    with pytest.raises(Refused, match="and 5 more"):
        cases_of(files(tmp_path, *["{"] * 15), recipe_of())


@pytest.fixture(scope="module")
def behaviour():
    """Three cases of minimum functionality, one of which fails though the champion passes it, and one other."""
    lines = [
        {**MINIMUM, "about": "negation"},
        {**MINIMUM, "name": "not <b>bad</b>", "about": "negation", "row": {"text": "<b>not</b> bad"}},
        {**MINIMUM, "name": "third"},
        SAME,
    ]
    cases = [Case.model_validate(line) for line in lines]
    ours = by_case(cases, [{"prediction": word} for word in ("good", "bad", "good", "good", "bad")])
    champion = by_case(cases, [{"prediction": word} for word in ("good", "good", "good", "good", "bad")])
    pairs = [list(zip(cases, found, strict=True)) for found in (ours, champion)]
    return measured(TASKS["classification"], *pairs), measured(TASKS["classification"], pairs[0], None)


def test_passed_cases_are_counted_by_kind_and_matter_beside_the_champions(behaviour):
    found, alone = behaviour
    assert list(found) == ["minimum", "invariance"]
    minimum = found["minimum"]
    assert (minimum["n"], minimum["passed"], minimum["rate"], minimum["champion"]) == (3, 2, 0.666667, 1.0)
    assert minimum["about"] == {
        "negation": {"n": 2, "passed": 1, "rate": 0.5},
        "": {"n": 1, "passed": 1, "rate": 1.0},
    }
    assert minimum["failures"] == [
        {
            "name": "not <b>bad</b>",
            "about": "negation",
            "wanted": "good",
            "texts": ["<b>not</b> bad"],
            "said": ["bad"],
            "problems": ["said bad"],
            "champion_passes": True,
        }
    ]
    assert found["invariance"]["failures"][0]["champion_passes"] is False
    assert alone["minimum"]["champion"] is None
    assert alone["minimum"]["failures"][0]["champion_passes"] is None


def test_gates_ask_for_a_share_of_passed_cases_and_what_is_missing_never_passes(behaviour):
    gates = [Gate(metric=f"behaviour_{kind}", at_least=0.6) for kind in ("minimum", "invariance", "directional")]
    report = {"metrics": {}, "behaviour": behaviour[0]}
    assert [verdict.outcome for verdict in judge(gates, report)] == ["pass", "fail", "error"]
    assert metric_value("behaviour_minimum", {"metrics": {}}) is None


@pytest.mark.parametrize(
    ("task", "files", "gate", "message"),
    [
        ("classification", ["a.jsonl", "a.jsonl"], {}, "evaluate.behaviour: 'a.jsonl' stands there twice"),
        ("classification", ["../a.jsonl"], {}, "leaves data/"),
        (
            "classification",
            [],
            {"metric": "behaviour_minimum", "at_least": 1.0},
            "needs evaluate.behaviour, files of cases",
        ),
        ("classification", ["a.jsonl"], {"metric": "behaviour_minimum", "at_most": 1.0}, "it takes at_least"),
        (
            "classification",
            ["a.jsonl"],
            {"metric": "behaviour_minimal", "at_least": 1.0},
            "did you mean 'behaviour_mini",
        ),
        ("retrieval", ["a.jsonl"], {"metric": "behaviour_directional", "at_least": 1.0}, "retrieval has no metric"),
    ],
)
def test_a_recipe_that_asks_for_what_cannot_be_is_refused(task, files, gate, message):
    values = tomllib.loads(RECIPE)
    values |= {"task": task, "evaluate": {"behaviour": files}, "gates": [gate] if gate else []}
    with pytest.raises(Refused) as refusal:
        parse_recipe(values, "test")
    assert message in str(refusal.value)


def test_the_page_and_the_packet_show_what_failed_first_what_the_champion_does(behaviour):
    page = render_report(whole_report() | {"behaviour": behaviour[0]})
    assert "<b>0.667</b>" in page
    assert "the champion passes" in page
    assert "<b>not</b> bad" not in page
    assert "What it must do" not in render_report(whole_report())
    packet = told({"behaviour": behaviour[0]})
    assert "| minimum | 3 | 2 | 0.6667 | 1.0000 |" in packet
    rows = [line for line in packet.splitlines() if line.endswith(("| passes |", "| fails |"))]
    assert [row.rsplit("|", 2)[1].strip() for row in rows] == ["passes", "fails"]
    assert "| - |" in told({"behaviour": behaviour[1]})


class Served:
    """A model as MLflow loads it, that says what it was told to."""

    def __init__(self, *says):
        self.says = says
        self.metadata = self

    def get_input_schema(self):
        return self

    def input_names(self):
        return ["prompt"]

    def predict(self, rows):
        assert [set(row) for row in rows] == [{"prompt"}] * len(self.says)
        return [{"prediction": text} for text in self.says]


@pytest.mark.parametrize(
    ("says", "refused"), [(["so long", "a"], False), (["so long", "b c"], False), (["so", "b"], True)]
)
def test_a_served_writer_may_word_its_answers_otherwise_as_long_as_the_gates_on_cases_hold(tmp_path, says, refused):
    row, names = {"row": {"prompt": "x"}, "variants": []}, ("one", "two")
    cases = [
        case("minimum", contains=[word], **row | {"name": n}) for n, word in zip(names, ("long", "a"), strict=True)
    ]
    kept = [
        {"case": one.model_dump(mode="json", exclude_defaults=True), "answers": [{"prediction": "long a"}]}
        for one in cases
    ]
    (tmp_path / "behaviour.jsonl").write_text("".join(json.dumps(line) + "\n" for line in kept))
    gates = judge([Gate(metric="behaviour_minimum", at_least=0.5)], {"behaviour": {"minimum": {"rate": 1.0}}})
    dossier = SimpleNamespace(recipe={"task": "generation"}, gates=gates)
    if not refused:
        try_cases(Served(*says), tmp_path / "behaviour.jsonl", dossier, "3")
        return
    with pytest.raises(Refused, match=r"version 3 has behaviour_minimum 0, and 0.5 is needed; evaluated it had 1"):
        try_cases(Served(*says), tmp_path / "behaviour.jsonl", dossier, "3")
