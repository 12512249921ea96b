"""What lays a template around a text gives the tokens that the whole has elsewhere: when learned, and when served."""

import json

import pytest

from models import scratch
from tests.toy_models import TEXTS

TEXT = "the table of the user"
AFTER = " All in all, it was"


def byte_pairs():
    pieces = json.loads(scratch.train_byte_pairs(TEXTS * 3, 400, ["<|endoftext|>"]).to_str())["model"]
    return {"vocab": pieces["vocab"], "merges": [tuple(merge) for merge in pieces["merges"]]}


def sentence_pieces():
    """Byte pairs as Gemma has them: a blank is a letter, and what has no token is bytes."""
    from tokenizers import Tokenizer, models, normalizers, trainers

    pieces = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    pieces.normalizer = normalizers.Replace(" ", "▁")
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{byte:02X}>" for byte in range(256))]
    words = [word for text in TEXTS for word in (" " + text).replace(" ", "| ").split("|")]
    pieces.train_from_iterator(words, trainers.BpeTrainer(vocab_size=400, special_tokens=special, show_progress=False))
    found = json.loads(pieces.to_str())["model"]
    return {"vocab": found["vocab"], "merges": [tuple(merge) for merge in found["merges"]]}


def tokenizer_in(folder, kind):
    """The tokenizer of a folder of a kind of the hub, as it is loaded from there."""
    import transformers

    from models.tokenizer import load_tokenizer

    made, config = {
        "qwen2": lambda: (transformers.Qwen2Tokenizer(**byte_pairs()), transformers.Qwen2Config()),
        "qwen3": lambda: (transformers.Qwen2Tokenizer(**byte_pairs()), transformers.Qwen3Config()),
        "gpt2": lambda: (transformers.GPT2Tokenizer(**byte_pairs()), transformers.GPT2Config()),
        "gemma": lambda: (transformers.GemmaTokenizer(**sentence_pieces()), transformers.Gemma3TextConfig()),
    }[kind]()
    made.save_pretrained(folder)
    config.save_pretrained(folder)
    return load_tokenizer(folder)


def asked(folder, kind, template, *texts):
    """The tokens of a prompt as it is learned, as it is served, and as the same text has them elsewhere."""
    from models.encoding import encode_texts
    from models.tokenizer import load_tokenizer, save_tokenizer
    from models.verbaliser import asking

    plain = tokenizer_in(folder, kind)
    names = ["text"] if len(texts) == 1 else ["text_a", "text_b"]
    learned = asking(plain, template, names, 0, 60)
    save_tokenizer(learned, folder)
    served = load_tokenizer(folder)
    whole = template.removesuffix(" {mask}").format(**dict(zip(names, texts, strict=True)))
    found = [encode_texts(tokenizer, [texts])[0]["input_ids"] for tokenizer in (learned, served)]
    return [plain.convert_ids_to_tokens(tokens) for tokens in (*found, plain(whole)["input_ids"])]


@pytest.mark.parametrize("kind", ["qwen2", "qwen3", "gpt2", "gemma"])
@pytest.mark.parametrize("before", ["Review: ", "Review:\n", ""])
def test_a_text_behind_words_of_the_template(kind, before, tmp_path):
    learned, served, plain = asked(tmp_path, kind, before + "{text}" + AFTER + " {mask}", TEXT)
    assert learned == served == plain
    if before.endswith(" "):
        assert sum(token in {"Ġthe", "▁the"} for token in learned) == TEXT.count("the")


@pytest.mark.parametrize("kind", ["qwen2", "qwen3", "gpt2", "gemma"])
def test_two_texts_each_behind_words_of_the_template(kind, tmp_path):
    template = "One: {text_a} Other: {text_b}" + AFTER + " {mask}"
    learned, served, plain = asked(tmp_path, kind, template, TEXT, "the queue")
    assert learned == served == plain


@pytest.mark.parametrize("kind", ["qwen2", "gemma"])
def test_a_pair_whose_first_text_begins_the_template_is_served_as_it_was_learned(kind, tmp_path):
    learned, served, plain = asked(tmp_path, kind, "{text_a} Other: {text_b}" + AFTER + " {mask}", TEXT, "the queue")
    assert learned == served
    assert learned[-12:] == plain[-12:]


def test_a_text_that_follows_another_without_a_blank_is_given_none(tmp_path):
    learned, served, _ = asked(tmp_path, "gpt2", "One: {text_a}{text_b}" + AFTER + " {mask}", TEXT, "queue")
    assert learned == served
    assert "userqueue" in "".join(learned)
