"""A dialog is asked up to its last question, in the same plain lines at training, evaluation and serving."""

import json

import pytest

from models.tasks import TASKS
from models.tasks.dialog import DIALOG, asked, example
from models.tasks.texts import judged
from pipelines.errors import Refused
from pipelines.examples import examples
from pipelines.predict import read_rows
from pipelines.settings import ROOT

HELLO = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "What can I do for you?"}]
OPEN = {"role": "user", "content": "When do you open?"}
REPLY = {"role": "assistant", "content": "We open at nine."}


def file(folder, *rows):
    path = folder / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n\n" for row in rows))
    return path


def served(*rows):
    return list(read_rows([json.dumps(row) for row in rows], "test", DIALOG))


def test_the_last_turn_is_learned_and_what_stands_before_it_is_asked():
    row = example({"id": "d1", "messages": [*HELLO, OPEN, REPLY], "context": ["Open from nine to five."]})
    assert row["reply"] == "We open at nine."
    assert asked(row).text == (
        "Known: Open from nine to five.\n"
        "User: Hello\nAssistant: What can I do for you?\nUser: When do you open?\nAssistant:"
    )
    assert DIALOG.read(row) == ("When do you open?",)
    assert asked({"messages": [OPEN]}).text == "User: When do you open?\nAssistant:"


def test_the_word_of_the_system_stands_first():
    row = {"messages": [{"role": "system", "content": "Be short."}, *HELLO, OPEN], "context": ["At nine."]}
    assert asked(row).head == "System: Be short.\nKnown: At nine."


@pytest.mark.parametrize("messages", [[OPEN], [*HELLO, OPEN], [REPLY], []])
def test_a_dialog_without_an_answer_is_refused_with_its_line_and_what_to_do(tmp_path, messages):
    path = file(tmp_path, {"id": "d1", "messages": [OPEN, REPLY]}, {"id": "d2", "messages": messages})
    with pytest.raises(Refused, match=r"train.jsonl, line 3: messages: .*cut the dialog there, or leave it out"):
        examples(DIALOG, path)


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([OPEN, REPLY, REPLY], "the last answer follows no question of the user's"),
        ([{"role": "bot", "content": "Hi"}, OPEN, REPLY], "number 1 has a role that there is not"),
    ],
)
def test_a_dialog_out_of_turn_that_validation_tolerated_is_refused_before_it_is_learned(tmp_path, messages, why):
    with pytest.raises(Refused, match=f"line 1: messages: {why}"):
        examples(DIALOG, file(tmp_path, {"id": "d1", "messages": messages}))


def test_rows_of_other_tasks_are_as_they_stand(tmp_path):
    row = {"id": "g1", "prompt": "a", "completion": "b"}
    assert examples(TASKS["generation"], file(tmp_path, row)) == [row]


def test_a_served_model_is_asked_with_or_without_context():
    rows = [{"id": "1", "messages": [OPEN], "context": ["At nine."], "more": 1}, {"messages": [*HELLO, OPEN]}]
    assert served(*rows) == [{"id": "1", "messages": [OPEN], "context": ["At nine."]}, {"messages": [*HELLO, OPEN]}]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({}, "'messages' must be a list; the task takes messages, context \\(optional\\)"),
        ({"messages": "Hello"}, "'messages' is a text"),
        ({"messages": [{"role": "user"}]}, "'messages.0.content' is missing"),
        ({"messages": HELLO}, "the last of 2 is the assistant's; end with what the user asks"),
        ({"messages": []}, "there are none; end with what the user asks"),
        (
            {"messages": [{"role": "boss", "content": "Hello"}]},
            "number 1 has a role that there is not; take one of system",
        ),
        ({"messages": [OPEN], "context": "At nine."}, "'context' is a text"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_place_and_cure(row, why):
    with pytest.raises(Refused, match=f"^test, line 1: .*{why}"):
        served(row)


def test_grounding_is_the_share_of_words_that_were_looked_up():
    row = example({"id": "d1", "messages": [OPEN, REPLY], "context": ["Open from nine to five."]})
    (told,) = judged(DIALOG, [row], ["We open at nine, always."])
    assert told["grounding"] == pytest.approx(2 / 5)
    chinese = example({"id": "d2", "messages": [OPEN, REPLY], "context": ["九点开门", "五点"]})
    (told,) = judged(DIALOG, [chinese], ["我们九点开"])
    assert told["grounding"] == pytest.approx(3 / 5)
    without = example({"id": "d3", "messages": [OPEN, REPLY]})
    both = judged(DIALOG, [row, without], ["nine", "nine"])
    assert "grounding" not in DIALOG.metrics(both), "of some dialogs only it would be no number of the set"
    assert "grounding" in DIALOG.metrics(both[:1])


def test_real_dialogs_of_customer_service_become_prompts_and_replies(tmp_path):
    import gzip

    source = ROOT.parent / "shared" / "data" / "dialog_zh_crosswoz.jsonl.gz"
    if not source.exists():
        pytest.skip("shared/data/dialog_zh_crosswoz.jsonl.gz is not on this machine")
    path = tmp_path / "train.jsonl"
    path.write_bytes(gzip.decompress(source.read_bytes()))
    rows = examples(DIALOG, path)
    assert len(rows) == 233
    for row in rows:
        assert asked(row).text.endswith(f"User: {row['messages'][-1]['content']}\nAssistant:")
        assert row["reply"]
