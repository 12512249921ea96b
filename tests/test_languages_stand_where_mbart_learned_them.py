"""What frames a text is the tokenizer's to say: of an old mBART the language at the end, of mBART-50 at the start."""

import pytest

from tests.toy_models import TEXTS, written_by


def pieces():
    words = [f"▁{word}" for word in sorted(set(" ".join(TEXTS).replace(".", "").split()))]
    return [(piece, 0.0) for piece in ("<s>", "<pad>", "</s>", "<unk>")] + [
        (piece, -3.0) for piece in (*words, "▁", ".")
    ]


def tokenizer_of(family):
    from transformers import MBart50Tokenizer, MBartTokenizer
    from transformers.models.mbart.tokenization_mbart import FAIRSEQ_LANGUAGE_CODES

    if family == "mbart":
        vocabulary = [*pieces(), *((code, 0.0) for code in FAIRSEQ_LANGUAGE_CODES), ("<mask>", 0.0)]
        return MBartTokenizer(vocab=vocabulary, src_lang="en_XX")
    if family == "mbart50":
        return MBart50Tokenizer(vocab=[*pieces(), ("<mask>", 0.0)], src_lang="en_XX")
    return written_by(family)[1]


def mbart(family):
    import torch
    from transformers import MBartConfig, MBartForConditionalGeneration

    tokenizer = tokenizer_of(family)
    sizes = {"layers": 2, "ffn_dim": 64, "attention_heads": 2}
    sides = {f"{side}_{name}": n for side in ("encoder", "decoder") for name, n in sizes.items()}
    torch.manual_seed(5)
    config = MBartConfig(vocab_size=len(tokenizer), d_model=32, max_position_embeddings=128, dropout=0.0, **sides)
    if family == "mbart50":
        config.decoder_start_token_id = config.eos_token_id
    return MBartForConditionalGeneration(config).eval(), tokenizer


@pytest.mark.parametrize(
    ("family", "start", "end"),
    [
        ("t5", [], ["</s>"]),
        ("bart", ["<s>"], ["</s>"]),
        ("mbart", [], ["</s>", "en_XX"]),
        ("mbart50", ["en_XX"], ["</s>"]),
    ],
)
def test_each_family_frames_what_is_read_and_what_is_written(family, start, end):
    from models.encoder_decoder import encode_pair

    tokenizer = tokenizer_of(family)
    for room in (32, 5):
        for tokens in encode_pair(tokenizer, TEXTS[0], TEXTS[1], room):
            named = tokenizer.convert_ids_to_tokens(tokens)
            assert named[: len(start)] == start
            assert named[-len(end) :] == end
            assert sum(token in {*start, *end} for token in named) == len(start + end)
            assert len(named) <= room


@pytest.mark.parametrize(("family", "begins"), [("mbart", "en_XX"), ("mbart50", "</s>")])
def test_an_mbart_writes_after_what_it_learns_to_write_after(family, begins, tmp_path, monkeypatch):
    from models import backbone, encoder_decoder, writers
    from models.generate import generate
    from models.schedule import Passes

    backbone.save(*mbart(family), tmp_path)
    model, tokenizer = writers.load_writer(tmp_path)
    batch = encoder_decoder.pair_plan(tokenizer, [(TEXTS[0], "Deletes")], 32, Passes(1, 1, 1)).collate([0], 0)
    learned = model.prepare_decoder_input_ids_from_labels(labels=batch["labels"])[0, 0]
    written, plainly = [], model.generate
    monkeypatch.setattr(model, "generate", lambda **how: written.append(plainly(**how)) or written[-1])
    generate(model, tokenizer, [TEXTS[0]], max_new_tokens=2)
    assert tokenizer.convert_ids_to_tokens([learned, written[0][0, 0]]) == [begins, begins]
