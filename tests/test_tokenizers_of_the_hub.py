"""Tokenizers as models of the hub have them are read, saved and read again, and cut texts alike."""

import pytest

from models.tokenizer import load_tokenizer, save_tokenizer

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
