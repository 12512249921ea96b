"""What of a prompt is lost when the model has no room for it: never the line that asks, never the latest question."""

import pytest

from models.encoding import encode_completion, encode_prompt
from models.prompt import Prompt
from models.scratch import scratch
from models.tasks import TASKS
from models.tasks.dialog import asked
from tests.toy_models import TEXTS

TURNS = [("user", "Lists the keys"), ("assistant", "of the table"), ("user", "Deletes the user"), ("assistant", "done")]
QUESTION = ("user", "Which region is it?")


@pytest.fixture(scope="module")
def tokenizer():
    return scratch("micro-decoder", TEXTS, 7)[1]


def row(*turns, **more):
    return {"messages": [{"role": role, "content": text} for role, text in turns], **more}


def read(tokenizer, prompt, room):
    tokens = encode_prompt(tokenizer, prompt, room)
    assert len(tokens) <= room
    return tokenizer.decode(tokens)


def size(tokenizer, text):
    return len(tokenizer(text)["input_ids"])


@pytest.mark.parametrize("name", ["summarisation", "rewriting", "translation"])
def test_a_text_loses_its_end_and_the_line_that_asks_stays(tokenizer, name):
    task = TASKS[name]
    inputs = dict.fromkeys(task.inputs, "en") | {task.texts[0]: "First the table. " * 40 + "Last."}
    line = task.asked(inputs).text.rpartition("\n\n")[2]
    kept = read(tokenizer, task.asked(inputs), 60)
    assert kept.startswith("First the table.")
    assert kept.endswith(f"\n\n{line}")
    assert "Last." not in kept


def test_a_text_to_go_on_from_loses_its_beginning(tokenizer):
    kept = read(tokenizer, TASKS["generation"].asked({"prompt": "First. " + "the table " * 60 + "Last"}), 40)
    assert kept.endswith("Last")
    assert "First" not in kept


def test_a_dialog_loses_its_oldest_turns_whole(tokenizer):
    prompt = asked(row(*TURNS, QUESTION))
    last = prompt.turns[-1] + prompt.tail
    assert read(tokenizer, prompt, size(tokenizer, prompt.text)) == prompt.text
    assert read(tokenizer, prompt, size(tokenizer, prompt.text) - 1) == "".join(prompt.parts[2:])
    assert (
        read(tokenizer, prompt, size(tokenizer, last) + 1)
        == last
        == "\nAssistant: done\nUser: Which region is it?\nAssistant:"
    )


def test_what_was_looked_up_outlives_the_turns_and_the_question_outlives_that(tokenizer):
    prompt = asked(row(*TURNS, QUESTION, context=["The region is west.", "It is far."]))
    assert prompt.head == "Known: The region is west.\nKnown: It is far."
    without = prompt.head + prompt.tail
    assert read(tokenizer, prompt, size(tokenizer, without)) == without
    half = read(tokenizer, prompt, size(tokenizer, prompt.tail) + 15)
    assert half.startswith("Known: The")
    assert half.endswith("\nUser: Which region is it?\nAssistant:")


def test_a_question_longer_than_the_model_still_ends_with_the_line_that_asks(tokenizer):
    prompt = asked(row(("user", "the table " * 60 + "it?")))
    kept = read(tokenizer, prompt, 30)
    assert kept.endswith("it?\nAssistant:")
    assert len(encode_prompt(tokenizer, prompt, 1)) == 1


def test_training_cuts_a_prompt_as_asking_does(tokenizer):
    prompt = TASKS["summarisation"].asked({"document": "First the table. " * 40})
    tokens, start = encode_completion(tokenizer, prompt, "the key", 60)
    assert len(tokens) == 60
    assert tokens[:start] == encode_prompt(tokenizer, prompt, start)
    assert tokenizer.decode(tokens[start:], skip_special_tokens=True) == " the key"


def test_the_beginning_of_text_that_a_tokenizer_sets_stays_with_what_is_cut(tokenizer):
    class Marked:
        def __call__(self, text, *, add_special_tokens=True):
            found = tokenizer(text, add_special_tokens=False)["input_ids"]
            return {"input_ids": [1, *found] if add_special_tokens else found}

    for task, column in (("generation", "prompt"), ("summarisation", "document")):
        assert encode_prompt(Marked(), TASKS[task].asked({column: "the table " * 40}), 20)[0] == 1
    assert encode_prompt(Marked(), Prompt("the table"), 1)


def test_a_prompt_does_not_end_where_an_encoders_tokenizer_ends_its_texts():
    """Many Chinese decoders have one."""
    from tests.toy_models import word_pieces

    tokenizer = word_pieces(["Deletes the table."])
    for room in (64, 4):
        tokens = encode_prompt(tokenizer, "Deletes the table", room)
        assert tokens[0] == tokenizer.cls_token_id
        assert tokenizer.sep_token_id not in tokens
