"""Models come from folders whole and in fp32, or not at all."""

import json
from pathlib import Path

import pytest

from tests import toy_models

pytestmark = pytest.mark.slow


def test_a_bf16_checkpoint_is_trained_in_fp32(tmp_path: Path):
    import torch
    from transformers import AutoModel

    from models import backbone

    encoder = toy_models.encoder_folder(tmp_path)
    AutoModel.from_pretrained(encoder, dtype=torch.bfloat16).save_pretrained(encoder)
    assert json.loads((encoder / "config.json").read_text())["dtype"] == "bfloat16"
    model, tokenizer, _ = backbone.masked_from_encoder(encoder, seed=1)
    classifier = backbone.new_classifier(encoder, ["no", "yes"], 1, 64, 2)[0]
    assert {p.dtype for m in (model, classifier) for p in m.parameters()} == {torch.float32}
    backbone.save(model, tokenizer, tmp_path / "saved")
    assert {p.dtype for p in backbone.load_masked(tmp_path / "saved")[0].parameters()} == {torch.float32}


def test_a_folder_that_lacks_a_weight_is_refused_by_its_name(tmp_path: Path):
    from safetensors.torch import load_file, save_file

    from models import backbone

    encoder = toy_models.encoder_folder(tmp_path)
    path = encoder / "model.safetensors"
    weights = load_file(path)
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(ValueError, match=r"encoder\.layer\.1\.output\.dense\.weight"):
        backbone.masked_from_encoder(encoder, seed=1)
    with pytest.raises(ValueError, match=r"layer\.1\.output\.dense\.weight"):
        backbone.new_classifier(encoder, ["no", "yes"], 1, 64, 2)


def test_an_encoder_without_a_head_is_not_taken_for_a_language_model(tmp_path: Path):
    from models import backbone

    with pytest.raises(ValueError, match=r"cls\.predictions"):
        backbone.load_masked(toy_models.encoder_folder(tmp_path))


def test_fitting_a_head_leaves_the_encoder_as_it_was(tmp_path: Path):
    import torch

    from models import backbone, new_head, objectives, train
    from models.checkpoint import Checkpoints
    from models.schedule import Pace

    model, tokenizer, is_new = backbone.masked_from_encoder(toy_models.encoder_folder(tmp_path), seed=1)
    new_head.freeze_backbone(model)
    before = {n: p.clone() for n, p in model.named_parameters()}
    plan = objectives.masked_plan(tokenizer, objectives.tokenise(tokenizer, toy_models.TEXTS, 64), 0.15, 256, 1)
    train.train(model, plan, Pace(1e-2), Checkpoints(tmp_path / "checkpoints"))
    changed = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert is_new
    assert changed == {n for n in before if n.startswith("cls.")}
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_only_the_head_learns_with_the_method_head(tmp_path: Path):
    from models import backbone, methods

    model = methods.head(backbone.new_classifier(toy_models.encoder_folder(tmp_path), ["no", "yes"], 1, 64, 2)[0], 4, 1)
    assert {n.split(".")[0] for n, p in model.named_parameters() if p.requires_grad} == {"head"}


@pytest.mark.parametrize("kind", ["classifier", "writer"])
def test_the_lowest_layers_can_be_left_as_they_are(kind: str, tmp_path: Path):
    from models import backbone, methods

    if kind == "classifier":
        model = backbone.new_classifier(toy_models.encoder_folder(tmp_path), ["no", "yes"], 1, 64, 2)[0]
    else:
        model = toy_models.decoder(100)
    methods.freeze_bottom(model, 1)
    learning = {n for n, p in model.named_parameters() if p.requires_grad}
    assert learning
    assert not any(".embed" in n or "embeddings" in n or ".layer.0." in n or ".layers.0." in n for n in learning)
    assert any(".layer.1." in n or ".layers.1." in n for n in learning)
    methods.freeze_bottom(another := toy_models.decoder(100), 0)
    assert [n for n, p in another.named_parameters() if not p.requires_grad] == ["model.embed_tokens.weight"]


def test_bits_per_byte_of_a_decoder_that_knows_nothing_is_that_of_its_vocabulary():
    import math

    import torch

    from models.bits import bits_per_byte

    tokenizer = toy_models.decoder_tokenizer()
    model = toy_models.decoder(len(tokenizer))
    with torch.no_grad():
        model.lm_head.weight.zero_()
    texts = ["Deletes the table.", "Lists queues."]
    for text, (bits, size) in zip(texts, bits_per_byte(model, tokenizer, texts), strict=True):
        assert size == len(text)
        assert bits == pytest.approx(len(tokenizer(text)["input_ids"]) * math.log2(len(tokenizer)), rel=1e-5)


def test_the_tokens_of_a_text_share_its_bytes_also_where_a_character_is_cut_into_several():
    from models.bits import byte_shares
    from models.scratch import encoder_tokenizer

    text = "龘龘 and 一"
    offsets = encoder_tokenizer(["plain English only"], 300, 512)(text, return_offsets_mapping=True)["offset_mapping"]
    shares = byte_shares(text, offsets)
    assert sum(shares) == pytest.approx(len(text.encode()))
    assert sum(share == 1 for share in shares) >= 9, "three bytes, three tokens, for each rare character"


def test_gpt_2_keeps_its_embeddings_when_the_layers_below_are_frozen_and_takes_lora():
    from transformers import GPT2Config, GPT2LMHeadModel

    from models import methods

    model = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_embd=16, n_layer=2, n_head=2, n_positions=32))
    learning = [n for n, p in methods.lora(model, 2, 10).named_parameters() if p.requires_grad]
    assert {name.split(".")[-4] for name in learning} == {"c_attn", "c_proj", "c_fc"}
    model = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_embd=16, n_layer=2, n_head=2, n_positions=32))
    methods.freeze_bottom(model, 0)
    frozen = [n for n, p in model.named_parameters() if not p.requires_grad]
    assert frozen == ["transformer.wte.weight", "transformer.wpe.weight"]


def test_a_decoder_without_a_token_to_fill_up_with_takes_the_end_of_a_text(tmp_path: Path):
    from transformers import PreTrainedTokenizerFast

    from models import backbone

    plain = toy_models.decoder_tokenizer()
    bare = PreTrainedTokenizerFast(tokenizer_object=plain.backend_tokenizer, eos_token=plain.eos_token)
    toy_models.decoder(len(bare)).save_pretrained(tmp_path)
    bare.save_pretrained(tmp_path)
    _, tokenizer = backbone.load_causal(tmp_path)
    assert tokenizer.pad_token == tokenizer.eos_token == plain.eos_token


def test_a_decoder_whose_tokenizer_has_no_end_is_refused_with_what_to_do(tmp_path: Path):
    from models import backbone

    tokenizer = toy_models.word_pieces(toy_models.TEXTS)
    toy_models.decoder(len(tokenizer)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"no token for the end of a text; name .* as eos_token .*\[SEP\]"):
        backbone.load_causal(tmp_path)


def test_the_texts_of_a_decoder_with_an_encoders_tokenizer_end_as_a_decoders_do():
    from models.objectives import tokenise_ended

    tokenizer = toy_models.word_pieces(toy_models.TEXTS)
    tokenizer.eos_token = tokenizer.sep_token
    (found,) = tokenise_ended(tokenizer, toy_models.TEXTS[:1], 64)
    assert found.count(tokenizer.sep_token_id) == 1
    assert found[-1] == tokenizer.sep_token_id


def test_a_decoder_reads_texts_that_begin_as_its_tokenizer_begins_them_in_pretraining_and_in_bits_per_byte():
    from models.bits import causal_example
    from models.objectives import tokenise_ended

    tokenizer = toy_models.word_pieces(toy_models.TEXTS)
    tokenizer.eos_token = tokenizer.sep_token
    text = " ".join(toy_models.TEXTS[:5])
    bare, start, end = (
        tokenizer(text, add_special_tokens=False)["input_ids"],
        tokenizer.cls_token_id,
        tokenizer.sep_token_id,
    )
    cut = tokenise_ended(tokenizer, [text], 8)
    assert len(cut) > 2
    assert [token for piece in cut for token in piece] == [start, *bare, end]
    example, size = causal_example(tokenizer, text, 8)
    assert example == {"input_ids": [start, *bare[:7]], "labels": [-100, *bare[:7]]}
    assert size == len(tokenizer.decode(bare[:7]))


def test_a_prefix_of_several_tokens_stands_before_a_text_and_takes_none_of_its_bits():
    from tokenizers import processors

    from models.bits import causal_example
    from models.objectives import tokenise_ended

    tokenizer = toy_models.decoder_tokenizer()
    end, text = tokenizer.eos_token_id, toy_models.TEXTS[0]
    bare = tokenizer(text)["input_ids"]
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<|end|> <|end|> $A", special_tokens=[("<|end|>", end)]
    )
    assert tokenise_ended(tokenizer, [text], 64) == [[end, end, *bare, end]]
    example, size = causal_example(tokenizer, text, 64)
    assert example == {"input_ids": [end, end, *bare], "labels": [-100, -100, *bare]}
    assert size == len(text)


def test_texts_of_a_tokenizer_that_begins_them_with_nothing_are_learned_as_they_stand_and_measured_after_an_end():
    from models.bits import causal_example
    from models.objectives import tokenise_ended

    for tokenizer in (toy_models.decoder_tokenizer(), toy_models.marked_pieces("bytes")):
        tokenizer.eos_token = tokenizer.eos_token or tokenizer.pad_token
        bare, end = tokenizer(toy_models.TEXTS[0])["input_ids"], tokenizer.eos_token_id
        assert tokenise_ended(tokenizer, toy_models.TEXTS[:1], 64) == [[*bare, end]]
        example, _ = causal_example(tokenizer, toy_models.TEXTS[0], 64)
        assert example == {"input_ids": [end, *bare], "labels": [-100, *bare]}


def test_bits_of_a_masked_model_do_not_depend_on_the_other_texts(tmp_path: Path):
    from models import backbone
    from models.bits import bits_per_byte

    model, tokenizer, _ = backbone.masked_from_encoder(toy_models.encoder_folder(tmp_path), seed=1)
    together = bits_per_byte(model, tokenizer, toy_models.TEXTS[:40])
    alone = bits_per_byte(model, tokenizer, toy_models.TEXTS[7:8])[0]
    assert together[7] == pytest.approx(alone, rel=1e-4)
    assert all(0 < size < len(text) for (_, size), text in zip(together, toy_models.TEXTS[:40], strict=True))
