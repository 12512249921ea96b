"""Explanations add up, hold for the answer that was given, cover the text, and are the same every time."""

import math

import pytest

from models.prompt import Prompt
from models.spans import Span, in_words
from pipelines.explanations import strengths, strongest
from tests.toy_models import TEXTS, encoder_folder

pytestmark = pytest.mark.slow

ONE, TWO = (
    ("Deletes the table of the account.",),
    ("Deletes the table of the user.", "Creates the bucket of the region."),
)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return encoder_folder(tmp_path_factory.mktemp("encoder"))


def classifier(encoder, texts):
    from models.backbone import new_classifier

    model, tokenizer = new_classifier(encoder, ["no", "unsure", "yes"], 3, 64, texts)
    return model.eval(), tokenizer


def words(found):
    return [part for text in found["texts"] for part in text if len(part) > 1]


@pytest.mark.parametrize("texts", [ONE, TWO])
@pytest.mark.parametrize("label", ["no", "yes"])
def test_what_is_explained_is_what_the_model_answers(encoder, texts, label):
    from models.explain import label_parts
    from models.predict import classify

    pair = classifier(encoder, len(texts))
    chance = classify(*pair, [texts])[0][label]
    assert label_parts(*pair, texts, label)["log_odds"] == pytest.approx(math.log(chance / (1 - chance)), abs=0.02)


@pytest.mark.parametrize("texts", [ONE, TWO])
def test_gradients_add_up_to_what_the_words_changed_and_every_character_is_shown(encoder, texts):
    from models.explain import label_parts

    found = label_parts(*classifier(encoder, len(texts)), texts, "yes")
    change = found["log_odds"] - found["nothing"]
    assert abs(change) > 0.001
    assert sum(part["gradients"] for part in words(found)) == pytest.approx(change, abs=0.01)
    assert tuple("".join(part["text"] for part in text) for text in found["texts"]) == texts


def test_occlusion_is_what_masking_the_word_by_hand_costs(encoder):
    from models.explain import label_parts
    from models.predict import classify

    model, tokenizer = classifier(encoder, 1)
    found = next(part for part in words(label_parts(model, tokenizer, ONE, "yes")) if part["text"] == "table")
    pieces = len(tokenizer("table", add_special_tokens=False)["input_ids"])
    tokenizer.split_special_tokens = False  # masks are spelled below
    masked = ONE[0].replace("table", " ".join([tokenizer.mask_token] * pieces))
    whole, less = (answer["yes"] for answer in classify(model, tokenizer, [ONE, (masked,)]))
    by_hand = math.log(whole / (1 - whole)) - math.log(less / (1 - less))
    assert found["occlusion"] == pytest.approx(by_hand, abs=0.002)


def test_the_one_word_that_decides_is_the_strongest(encoder):
    """A head that reads nothing but how far a text is from the state of one word's embedding."""
    import torch

    from models.explain import label_parts

    model, tokenizer = classifier(encoder, 1)
    model.encoder.encoder.layer = torch.nn.ModuleList()  # the embeddings themselves, so that words do not mix
    word = tokenizer("bucket", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        states = model.get_input_embeddings().weight[word].mean(0)
        model.head.weight.zero_()
        model.head.weight[2] = states * 50
    found = label_parts(model, tokenizer, ("Lists the bucket of the user.",), "yes")
    assert strongest(found, 1)[0]["text"] == "bucket"
    assert max(words(found), key=lambda part: part["occlusion"])["text"] == "bucket"
    assert strengths(found)[0][[part["text"] for part in found["texts"][0]].index("bucket")] == 3


def test_long_texts_take_words_together_and_cut_ones_show_what_was_not_read(encoder):
    from models.attribution import MOST
    from models.explain import label_parts

    long = " ".join(TEXTS)
    model, tokenizer = classifier(encoder, 1)
    tokenizer.model_max_length = 120
    found = label_parts(model, tokenizer, (long,), "no")
    assert found["words_together"] > 1
    assert len(words(found)) <= MOST
    assert "".join(part["text"] for part in found["texts"][0]) == long
    assert found["texts"][0][-1] == {"text": found["texts"][0][-1]["text"]}, "the rest was cut, and has no numbers"


@pytest.mark.parametrize("text", ["", "!", "表格"])
def test_texts_of_nothing_or_of_what_the_tokenizer_does_not_know_are_no_failure(encoder, text):
    from models.explain import label_parts

    found = label_parts(*classifier(encoder, 1), (text,), "no")
    assert "".join(part["text"] for part in found["texts"][0]) == text


def test_hiding_a_word_costs_an_answer_what_is_said():
    import torch

    from models.encoding import encode_completion
    from models.explain import answer_parts
    from models.generate import completion_bits
    from models.scratch import scratch

    model, tokenizer = scratch("micro-decoder", TEXTS, 7)
    prompt, answer = "Deletes the table 中文 of", "the user."
    found = answer_parts(model, tokenizer, Prompt(prompt), answer)
    assert found["bits"] == pytest.approx(completion_bits(model, tokenizer, [prompt], [answer])[0], rel=0.02)
    assert "".join(part["text"] for part in found["texts"][0]) == prompt
    assert [part["text"] for part in words(found)] == ["Deletes", "the", "table", "中", "文", "of"]
    tokens, start = encode_completion(tokenizer, prompt, answer, 128)
    first = len(tokenizer("Deletes")["input_ids"])
    mask = torch.ones(1, len(tokens), dtype=torch.long)
    mask[0, :first] = 0
    with torch.no_grad():
        chances = model(torch.tensor([tokens]), attention_mask=mask).logits[0].log_softmax(-1)
    bits = -sum(chances[n - 1, tokens[n]].item() for n in range(start, len(tokens))) / math.log(2)
    assert words(found)[0]["hidden"] == pytest.approx(bits - found["bits"], abs=0.002)
    assert all(math.isfinite(part["hidden"]) for part in words(found))


def test_the_only_word_of_a_prompt_may_be_hidden():
    from models.explain import answer_parts
    from models.scratch import scratch

    (word,) = words(answer_parts(*scratch("micro-decoder", TEXTS, 7), Prompt("Lists"), "the key"))
    assert math.isfinite(word["hidden"])
    assert word["hidden"] != 0


def test_the_same_is_explained_the_same_way(encoder):
    from models.explain import label_parts

    pair = classifier(encoder, 2)
    assert label_parts(*pair, TWO, "yes") == label_parts(*pair, TWO, "yes")


def test_pieces_of_one_word_are_one_span_and_characters_without_spaces_are_words():
    text = "un|able 表格, ok".replace("|", "")
    pieces = [
        Span(0, 2, (1,)),
        Span(2, 6, (2,)),
        Span(6, 8, (3,)),
        Span(8, 9, (4,)),
        Span(9, 10, (5,)),
        Span(10, 13, (6,)),
    ]
    assert [(text[s.start : s.end], s.tokens) for s in in_words(text, pieces)] == [
        ("unable", (1, 2)),
        ("表", (3,)),
        ("格", (4,)),
        (",", (5,)),
        ("ok", (6,)),
    ]
