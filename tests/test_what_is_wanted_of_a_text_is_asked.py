"""Who says what is wanted of a text gets that: what it must name, how it is rewritten, in training as in serving."""

import json

import pytest

from models.encoding import encode_prompt
from models.tasks import TASKS
from models.tasks.texts import judged
from pipelines.errors import Refused
from pipelines.formats import FORMATS
from pipelines.predict import read_rows
from pipelines.rows import problems
from tests import toy_models
from tests.row_files import lines, put, read

GENERATION, REWRITING = TASKS["generation"], TASKS["rewriting"]
# The same prompts with each attribute: nothing else says which word is right.
THINGS = ("the table", "the bucket", "the queue", "the key")
VERBS = ("Deletes", "Creates")
CONTROLLED = [
    {"id": f"{verb} {thing}", "prompt": thing, "attributes": [f"verb#{verb}"], "completion": f"{verb} {thing}."}
    for thing in THINGS
    for verb in VERBS
]


KINDS = {"correct": "Corrected", "polish": "Polished", "simplify": "Simplified", "paraphrase": "Paraphrased"}
# The same texts with each kind, and for each kind other words.
REWORDED = [
    {"id": f"{kind} {thing}", "source": f"Lists {thing}", "kind": kind, "target": f"{verb} {thing}."}
    for thing in THINGS[:2]
    for kind, verb in zip(KINDS, ("Lists", "Describes", "Updates", "Creates"), strict=True)
]


def learned(folder, task, rows):
    """A function from rows to answers: a decoder of two layers that has learned these rows by heart."""
    from models import objectives
    from models.checkpoint import Checkpoints
    from models.generate import generate
    from models.schedule import Pace, Passes
    from models.train import train

    prompts = [task.asked(row) for row in rows]
    tokenizer = toy_models.decoder_tokenizer([*toy_models.TEXTS, *(prompt.text for prompt in prompts)])
    model = toy_models.decoder(len(tokenizer))
    told = [(prompt, row[task.target]) for prompt, row in zip(prompts, rows, strict=True)]
    train(model, objectives.completion_plan(tokenizer, told, 64, Passes(4, 80, 1)), Pace(5e-3), Checkpoints(folder))
    model.eval()
    return lambda asked: generate(model, tokenizer, [task.asked(row) for row in asked], max_new_tokens=16)


def without(rows, column):
    return [{name: value for name, value in row.items() if name != column} for row in rows]


def test_a_model_names_the_attribute_that_is_asked_for_and_cannot_guess_it(tmp_path):
    answers = learned(tmp_path, GENERATION, CONTROLLED)

    def success(asked):
        return GENERATION.metrics(judged(GENERATION, CONTROLLED, answers(asked)))["attribute_success"]

    assert success(CONTROLLED) == 1
    assert success(without(CONTROLLED, "attributes")) <= 1 / 2


def test_attributes_stand_between_the_prompt_and_the_line_that_asks():
    row = {"prompt": "A skirt", "attributes": ["material#wool", " ", "checked"]}
    assert GENERATION.asked(row).text == "A skirt\n\nAttributes: material#wool, checked\nText:"


@pytest.mark.parametrize("nothing", [{}, {"attributes": None}, {"attributes": []}, {"attributes": float("nan")}])
def test_a_row_without_attributes_is_its_prompt(nothing):
    assert GENERATION.asked({"prompt": "A skirt"} | nothing).text == "A skirt"


def test_what_is_too_long_loses_the_beginning_of_its_prompt_and_no_attribute():
    tokenizer = toy_models.decoder_tokenizer()
    row = {"prompt": "First. " + "the table " * 60, "attributes": ["verb#Deletes", "queue"]}
    kept = tokenizer.decode(encode_prompt(tokenizer, GENERATION.asked(row), 60))
    assert kept.endswith("the table \n\nAttributes: verb#Deletes, queue\nText:")
    assert "First" not in kept


def test_a_served_model_is_asked_with_or_without_them():
    rows = [{"prompt": "A skirt", "attributes": ["wool"]}, {"prompt": "A skirt"}]
    assert list(read_rows(map(json.dumps, rows), "test", GENERATION)) == rows
    with pytest.raises(Refused, match=r"'attributes' is a text: .*the task takes prompt, attributes \(optional\)"):
        list(read_rows([json.dumps({"prompt": "A skirt", "attributes": "wool"})], "test", GENERATION))


def test_a_champion_of_before_does_not_seem_to_obey():
    """MLflow passes over a column that the signature of a version lacks."""
    asked = [json.dumps(row) for row in ({"prompt": "A skirt"}, {"prompt": "A skirt", "attributes": ["wool"]})]
    rows = read_rows(asked, "test", GENERATION, ["prompt"])
    assert next(rows) == {"prompt": "A skirt"}
    with pytest.raises(Refused, match=r"^test, line 2: the champion does not read 'attributes', .*; leave it out"):
        next(rows)


def test_a_model_rewrites_as_it_is_asked_to(tmp_path):
    answers = learned(tmp_path, REWRITING, REWORDED)
    assert answers(REWORDED) == [row["target"] for row in REWORDED]
    by_no_kind = answers(without(REWORDED, "kind"))
    assert all(len(set(by_no_kind[n : n + len(KINDS)])) == 1 for n in range(0, len(REWORDED), len(KINDS)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_rewriting_is_the_line_that_asks_and_outlives_the_text(kind):
    row = {"source": "He go home.", "kind": kind}
    assert REWRITING.asked(row).text == f"He go home.\n\n{KINDS[kind]}:"
    tokenizer = toy_models.decoder_tokenizer()
    kept = tokenizer.decode(encode_prompt(tokenizer, REWRITING.asked(row | {"source": "the table " * 60}), 30))
    assert kept.endswith(f"\n\n{KINDS[kind]}:")


@pytest.mark.parametrize("nothing", [{}, {"kind": None}, {"kind": float("nan")}])
def test_a_text_of_which_no_kind_is_said_is_asked_as_before(nothing):
    assert REWRITING.asked({"source": "He {go} home."} | nothing).text == "He {go} home.\n\nRewritten:"


@pytest.mark.parametrize("kept", ["jsonl", "csv", "parquet"])
def test_a_kind_that_there_is_not_is_refused_in_every_kind_of_file(kept, tmp_path):
    good = [{"id": f"r{n}", "lang": "en", "source": f"He go {n}.", "target": f"He goes {n}."} for n in range(100)]
    rows = [row | {"kind": kind} for row, kind in zip(good, [*KINDS] * 25, strict=True)]
    assert read(put_as(kept, tmp_path, rows), "rewriting") == (100, 100, {})
    rows[49] |= {"kind": "polsh"}
    line = 51 if kept == "csv" else 50
    assert read(put_as(kept, tmp_path, rows), "rewriting") == (99, 100, {"types": [line]})


def put_as(kept, folder, rows):
    import polars as pl

    path = put(folder, f"rows.{kept}", lines(rows))
    if kept != "jsonl":
        frame = pl.DataFrame(rows)
        frame.write_csv(path) if kept == "csv" else frame.write_parquet(path)
    return path


@pytest.mark.parametrize(("kind", "near"), [("Polish", "; did you mean 'polish'?"), ("shorten", ""), (7, "")])
def test_what_is_said_of_it_are_the_kinds_that_there_are_and_the_near_miss(kind, near):
    row = {"id": "r1", "lang": "en", "source": "a", "target": "b", "kind": kind}
    ((_, column, what),) = problems(row, FORMATS["rewriting"])
    assert column == "kind"
    assert what.endswith(f" that is none of correct, polish, simplify, paraphrase{near}")
    asked = json.dumps({"source": "a", "kind": kind})
    with pytest.raises(Refused, match=r"^test, line 1: column 'kind' .*the task takes source, kind \(optional\)$"):
        list(read_rows([asked], "test", REWRITING))
    with pytest.raises(ValueError, match="take one of correct, polish, simplify, paraphrase, or leave it out"):
        REWRITING.asked({"source": "a", "kind": kind})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "asked", "wrong", "why"),
    [
        (GENERATION, {"prompt": "the table", "attributes": ["queue", "a"]}, {"attributes": "a"}, "enforce schema"),
        (REWRITING, {"source": "the table", "kind": "polish"}, {"kind": ["polish"]}, "take one of correct, polish"),
    ],
    ids=["attributes", "kind"],
)
def test_what_mlflow_serves_takes_the_column_and_does_without(task, asked, wrong, why, tmp_path):
    import mlflow.pyfunc
    from mlflow.exceptions import MlflowException

    from models import backbone
    from models.generate import generate
    from models.scratch import scratch
    from pipelines.artifact import sha256_file
    from pipelines.served_model import _save_pyfunc

    folder = tmp_path / "artifact" / "model"
    folder.mkdir(parents=True)
    backbone.save(*scratch("micro-decoder", toy_models.TEXTS, 7), folder)
    files = {f"model/{path.name}": {"sha256": sha256_file(path)} for path in folder.iterdir()}
    (folder.parent / "manifest.json").write_text(json.dumps({"files": files}))
    _save_pyfunc(tmp_path / "served", folder.parent, task)
    served = mlflow.pyfunc.load_model(str(tmp_path / "served"))
    (column,) = task.optional
    rows = [asked, asked | {column: None}]
    alone = generate(*backbone.load_causal(folder), [task.asked(row) for row in rows])
    assert [answer["prediction"] for answer in served.predict(rows)] == alone
    assert [answer["prediction"] for answer in served.predict(without(rows[1:], column))] == alone[1:]
    with pytest.raises((MlflowException, ValueError), match=why):
        served.predict([asked | wrong])
