"""The classifier reads each text of a pair by itself, each distinct one once."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import toy_models

PAIRS = [("Deletes the table of the user.", "Lists the key."), ("Deletes the table of the user.", "Creates the queue.")]


@pytest.fixture
def classifier(tmp_path: Path):
    from models import backbone

    return backbone.new_classifier(toy_models.encoder_folder(tmp_path), ["no", "yes"], 1, 64, 2)


def test_joined_pairs_are_taken_apart_into_texts_as_the_tokenizer_frames_them(classifier):
    from models.encoding import encode_texts
    from models.packing import padded
    from models.pair_head import NOTHING, separated

    model, tokenizer = classifier
    rows = [{"input_ids": row["input_ids"]} for row in encode_texts(tokenizer, PAIRS)]
    batch = padded(rows, {"input_ids": tokenizer.pad_token_id})
    texts = separated(batch["input_ids"], batch["attention_mask"], model.config)
    for column, tokens in enumerate(texts):
        found = [[token for token in row if token != NOTHING] for row in tokens.tolist()]
        assert found == [tokenizer(pair[column])["input_ids"] for pair in PAIRS]


def test_the_second_of_robertas_two_separators_belongs_to_neither_text():
    import torch

    from models.pair_head import NOTHING, separated

    start, end = 0, 2
    tokens = torch.tensor([[start, 7, 8, end, end, 9, end], [start, 7, end, end, 7, end, 1]])
    mask = torch.tensor([[1] * 7, [1] * 6 + [0]])
    texts = separated(tokens, mask, SimpleNamespace(sep_token_id=end))
    first, second = ([[t for t in row if t != NOTHING] for row in text.tolist()] for text in texts)
    assert first == [[start, 7, 8, end], [start, 7, end]]
    assert second == [[start, 9, end], [start, 7, end]]


def unigram_tokenizer():
    """One as XLM-RoBERTa's: its special tokens are pieces of the vocabulary too, and the likeliest."""
    from tokenizers import Tokenizer, models
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    letters = sorted(set("Was now 0123456789<>/" + "".join(special)))
    pieces = Tokenizer(models.Unigram([*((p, 0.0) for p in special), *((p, -5.0) for p in letters)], unk_id=3))
    pieces.post_processor = TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = {
        "cls_token": "<s>",
        "pad_token": "<pad>",
        "sep_token": "</s>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
    }
    return PreTrainedTokenizerFast(tokenizer_object=pieces, **names)


@pytest.mark.parametrize("kind", ["bytes", "unigram"])
@pytest.mark.parametrize("spelled", ["</s>", "<pad>", "<mask>"])
def test_what_spells_a_special_token_in_a_text_neither_ends_nor_parts_it(spelled, kind, tmp_path):
    from models.encoding import encode_texts
    from models.scratch import encoder_tokenizer
    from models.tokenizer import load_tokenizer

    made = encoder_tokenizer(toy_models.TEXTS, 400, 512) if kind == "bytes" else unigram_tokenizer()
    made.save_pretrained(tmp_path)
    for tokenizer in (*([made] if kind == "bytes" else []), load_tokenizer(tmp_path)):
        (row,) = encode_texts(tokenizer, [(f"Was <s>20{spelled} now 10", "Was 20")])
        special = [token for token in row["input_ids"] if token in tokenizer.all_special_ids]
        assert special == [tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.sep_token_id]


@pytest.mark.usefixtures("fp32")
def test_a_pair_is_judged_alike_alone_and_among_others(classifier):
    from models.predict import classify

    together = classify(*classifier, [*PAIRS, *((b, a) for a, b in PAIRS)])
    for pair, answer in zip(PAIRS, together, strict=False):
        assert classify(*classifier, [pair])[0] == pytest.approx(answer, abs=1e-5)
    assert together[0] != pytest.approx(together[1], abs=1e-4)


def test_a_text_that_stands_in_many_pairs_is_read_once(classifier, monkeypatch):
    from models.predict import classify

    model = classifier[0]
    read = []
    monkeypatch.setattr(model.encoder, "forward", counted(model.encoder.forward, read))
    classify(*classifier, PAIRS)
    assert read == [1, 2]


def counted(forward, read):
    def counting(input_ids, **inputs):
        read.append(len(input_ids))
        return forward(input_ids=input_ids, **inputs)

    return counting


def test_pairs_of_one_group_come_in_one_batch():
    from models.packing import by_count

    groups = [str(n // 4) for n in range(100)]
    batches = by_count([10 + n % 7 for n in range(100)], 16, 1, groups)
    assert sorted(n for batch in batches for n in batch) == list(range(100))
    assert all(len(batch) <= 16 for batch in batches)
    assert sum(len({groups[n] for n in batch}) for batch in batches) == len(set(groups))
