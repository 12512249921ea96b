"""Tokenizers as models of the hub have them are read, saved and read again, and cut texts alike."""

import io
import json

import pytest

from models.tokenizer import load_tokenizer, save_tokenizer
from tests.toy_models import TEXTS

LETTERS = [("▁", -3.0), *((letter, -8.0) for letter in "abcdefghijklmnopqrstuvwxyz./<>_0123456789")]


def pegasus():
    """What Pegasus brings: it finds its piece for what no piece spells by name and score."""
    from transformers import PegasusTokenizer

    first = ["<pad>", "</s>", "<mask_1>", "<mask_2>", *(f"<unk_{n}>" for n in range(2, 103)), "<unk>"]
    return PegasusTokenizer(vocab=[*((piece, 0.0) for piece in first), *LETTERS])


def t5():
    from transformers import T5Tokenizer

    return T5Tokenizer(vocab=[*((piece, 0.0) for piece in ("<pad>", "</s>", "<unk>")), *LETTERS], extra_ids=10)


@pytest.mark.parametrize("made", [pegasus, t5])
def test_a_tokenizer_of_likely_pieces_is_read_saved_and_read_again(made, tmp_path):
    tokenizer = made()
    tokenizer.save_pretrained(tmp_path / "hub")
    text = "deletes the table </s> of <mask_1> <unk_2> ☃ a user"
    encoded = []
    for name in ("first", "second", "third"):
        loaded = load_tokenizer(tmp_path / "hub" if name == "first" else tmp_path / "kept")
        encoded.append(loaded(text)["input_ids"])
        save_tokenizer(loaded, tmp_path / "kept")
    assert encoded[0] == encoded[1] == encoded[2]
    assert encoded[0].count(tokenizer.eos_token_id) == 1, "what spells the end of a text is letters"
    assert encoded[0].count(tokenizer.unk_token_id) == 1, "and what no piece spells is unknown"


def sentence_pieces():
    """A SentencePiece file with T5's special pieces."""
    import sentencepiece

    made = io.BytesIO()
    options = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1, "hard_vocab_limit": False, "minloglevel": 2}
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(TEXTS), model_writer=made, vocab_size=80, **options)
    return made.getvalue()


def test_a_tokenizer_that_is_a_sentencepiece_file_alone_is_read_and_saved_as_a_fast_one(tmp_path):
    from transformers import MT5Config

    for folder in (tmp_path / "hub", tmp_path / "kept"):
        MT5Config().save_pretrained(folder)
    (tmp_path / "hub" / "spiece.model").write_bytes(sentence_pieces())
    tokenizer = load_tokenizer(tmp_path / "hub")
    encoded = tokenizer(TEXTS[0])["input_ids"]
    assert encoded[-1] == tokenizer.eos_token_id == 1
    assert tokenizer.unk_token_id not in encoded
    assert tokenizer.decode(encoded, skip_special_tokens=True) == TEXTS[0]
    save_tokenizer(tokenizer, tmp_path / "kept")
    assert load_tokenizer(tmp_path / "kept")(TEXTS[0])["input_ids"] == encoded


@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")
def test_a_model_whose_tokenizer_is_not_fast_is_refused_by_the_name_of_its_class(tmp_path):
    from transformers import MarianConfig

    MarianConfig().save_pretrained(tmp_path)
    for name in ("source.spm", "target.spm"):
        (tmp_path / name).write_bytes(sentence_pieces())
    (tmp_path / "vocab.json").write_text(json.dumps({"</s>": 0, "<unk>": 1, "<pad>": 2}))
    with pytest.raises(ValueError, match="MarianTokenizer; take a model whose tokenizer is a fast one"):
        load_tokenizer(tmp_path)
