"""WordPiece forgets where blanks stood: what its models write in Chinese is read without them."""

import pytest

from tests.toy_models import TEXTS, decoder, marked_pieces, word_pieces, written_by

SAID = "今天天气很好，我们用 python 3 学“中文”。hello world！东京タワーへ"  # noqa: RUF001
READ = "今天天气很好，我们用python 3学“中文”。hello world！东京タワーへ"  # noqa: RUF001


def pieces():
    tokenizer = word_pieces([SAID])
    tokenizer.eos_token = tokenizer.sep_token
    return tokenizer


def test_no_blank_stands_beside_chinese_and_words_keep_theirs():
    from models.tokenizer import decoded

    tokenizer = pieces()
    assert decoded(tokenizer, tokenizer(SAID)["input_ids"]) == READ
    english = word_pieces(TEXTS)
    assert decoded(english, english(TEXTS[0])["input_ids"]) == TEXTS[0].lower()


def test_korean_keeps_the_blanks_between_its_words():
    from transformers import BertTokenizer

    from models.tokenizer import decoded

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(text := "오늘 날씨").split()]
    tokenizer = BertTokenizer(vocab={piece: number for number, piece in enumerate(vocabulary)}, do_lower_case=False)
    assert decoded(tokenizer, tokenizer(text)["input_ids"]) == text


@pytest.mark.parametrize("kind", ["sentence pieces", "bytes"])
def test_tokenizers_that_keep_blanks_are_taken_at_their_word(kind):
    from models.tokenizer import decoded

    tokenizer = marked_pieces(kind)
    if kind == "bytes":
        tokenizer.add_tokens(list("天气"))
    text = "the 天 气 of" if kind == "bytes" else TEXTS[0]
    tokens = tokenizer(text)["input_ids"]
    assert decoded(tokenizer, tokens) == tokenizer.decode(tokens, skip_special_tokens=True)


@pytest.mark.parametrize("kind", ["decoder", "encoder-decoder"])
def test_what_either_kind_of_writer_serves_has_none(kind, monkeypatch):
    import torch

    from models.generate import generate

    tokenizer = pieces()
    model = decoder(len(tokenizer)) if kind == "decoder" else written_by("bart")[0]
    answer = tokenizer(SAID, add_special_tokens=False, return_tensors="pt")["input_ids"]

    def written(input_ids, **_):
        read = input_ids if kind == "decoder" else input_ids[:, :0]
        return torch.cat([read, answer], dim=1)

    monkeypatch.setattr(model, "generate", written)
    assert generate(model, tokenizer, ["今天"]) == [READ]


def test_what_is_explained_reads_as_what_is_written():
    from models.spans import in_words, of_decoded

    tokenizer = pieces()
    text, found = of_decoded(tokenizer, tokenizer(SAID)["input_ids"])
    assert text == READ
    words = [text[span.start : span.end] for span in in_words(text, found)]
    assert words[:4] == ["今", "天", "天", "气"]
    assert {"python", "3", "hello", "world"} <= set(words)
    assert "".join(words) == READ.replace(" ", "")
