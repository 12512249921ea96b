"""Who says what is wanted of a text gets that: attributes that it must name, in training as in serving."""

import json

import pytest

from models.encoding import encode_prompt
from models.tasks import TASKS
from models.tasks.texts import judged
from pipelines.errors import Refused
from pipelines.predict import read_rows
from tests import toy_models

GENERATION = TASKS["generation"]
# The same prompts with each attribute: nothing else says which word is right.
THINGS = ("the table", "the bucket", "the queue", "the key")
VERBS = ("Deletes", "Creates")
CONTROLLED = [
    {"id": f"{verb} {thing}", "prompt": thing, "attributes": [f"verb#{verb}"], "completion": f"{verb} {thing}."}
    for thing in THINGS
    for verb in VERBS
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
