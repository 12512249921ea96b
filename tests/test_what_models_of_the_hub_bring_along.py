"""Kinds and settings that models of the hub have and models made here have not."""

import pytest

from tests import toy_models

SIZES = {
    "vocab_size": 200,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
}


def model(kind, **given):
    import torch
    import transformers

    torch.manual_seed(3)
    return getattr(transformers, kind)(getattr(transformers, f"{CONFIGS[kind]}Config")(**given)).eval()


CONFIGS = {
    "MPNetModel": "MPNet",
    "DebertaV2Model": "DebertaV2",
    "AlbertModel": "Albert",
    "BloomForCausalLM": "Bloom",
    "MptForCausalLM": "Mpt",
    "FunnelModel": "Funnel",
    "Gemma3ForConditionalGeneration": "Gemma3",
    "BartForConditionalGeneration": "Bart",
}
BLOOM = {"vocab_size": 200, "hidden_size": 32, "n_layer": 2, "n_head": 2}


@pytest.mark.parametrize("kind", ["MPNetModel", "DebertaV2Model"])
@pytest.mark.parametrize("texts", [1, 2])
def test_a_classifier_over_an_encoder_without_fast_attention_is_read_again(kind, texts, tmp_path):
    from models import backbone
    from models.predict import classify

    tokenizer = toy_models.word_pieces(toy_models.TEXTS)
    model(kind, **SIZES | {"vocab_size": len(tokenizer)}).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    made, tokenizer = backbone.new_classifier(tmp_path / "base", ["no", "yes"], 1, 64, texts)
    backbone.save(made, tokenizer, tmp_path / "classifier")
    rows = [(text,) * texts for text in toy_models.TEXTS[:3]]
    assert classify(*backbone.load_classifier(tmp_path / "classifier"), rows) == classify(made.eval(), tokenizer, rows)


def test_an_encoder_with_fast_attention_keeps_it_within_a_classifier(tmp_path):
    from models import backbone

    folder = toy_models.encoder_folder(tmp_path / "base")
    backbone.save(*backbone.new_classifier(folder, ["no", "yes"], 1, 64, 1), tmp_path / "classifier")
    assert backbone.load_classifier(tmp_path / "classifier")[0].encoder.config._attn_implementation == "sdpa"


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("AlbertModel", SIZES | {"embedding_size": 16, "attention_probs_dropout_prob": 0.3}),
        ("BloomForCausalLM", BLOOM | {"attention_dropout": 0.3, "hidden_dropout": 0.3}),
        (
            "FunnelModel",
            {"vocab_size": 200, "block_sizes": [1, 1], "d_model": 32, "n_head": 2, "d_head": 16, "d_inner": 64}
            | {"hidden_dropout": 0.3, "attention_dropout": 0.3, "activation_dropout": 0.3},
        ),
        (
            "BartForConditionalGeneration",
            {"vocab_size": 200, "d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2}
            | {"decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64}
            | {"dropout": 0.3, "attention_dropout": 0.3, "activation_dropout": 0.3},
        ),
    ],
)
def test_without_dropout_a_model_answers_alike_twice(kind, given):
    import torch

    from models.methods import set_dropout

    made = model(kind, **given).train()
    ids = torch.randint(1, 200, (4, 12))
    answers = [made(input_ids=ids)[0] for _ in range(2)]
    assert not torch.equal(*answers)
    set_dropout(made, 0.0)
    assert torch.equal(*(made(input_ids=ids)[0] for _ in range(2)))


def test_a_model_without_a_last_place_has_room_and_one_in_parts_says_its_own():
    from models.backbone import RELATIVE, room

    assert room(model("BloomForCausalLM", **BLOOM)) == RELATIVE
    assert room(model("MptForCausalLM", vocab_size=200, d_model=32, n_layers=1, n_heads=2, max_seq_len=70)) == 70
    text = SIZES | {"num_key_value_heads": 1, "head_dim": 16, "max_position_embeddings": 77}
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    parts = {
        "text_config": text,
        "vision_config": vision | {"image_size": 28, "patch_size": 14},
        "mm_tokens_per_image": 4,
    }
    assert room(model("Gemma3ForConditionalGeneration", **parts)) == 77


def test_a_model_whose_settings_contradict_one_another_is_saved(tmp_path):
    from models import backbone

    made, tokenizer = toy_models.decoder(200), toy_models.decoder_tokenizer(toy_models.TEXTS)
    made.generation_config.temperature, made.generation_config.top_p = 0.6, 0.9
    made.generation_config.max_new_tokens = 8
    backbone.save(made, tokenizer, tmp_path)
    assert backbone.load_causal(tmp_path)[0].generation_config.max_new_tokens == 8


def test_what_a_model_was_told_for_talk_does_not_hold_for_what_it_writes_here():
    from models.generate import generate

    tokenizer = toy_models.decoder_tokenizer(toy_models.TEXTS)
    made = toy_models.decoder(len(tokenizer))
    for layer in made.model.layers:  # what goes in comes out: the last token is the likeliest again
        layer.self_attn.o_proj.weight.data.zero_()
        layer.mlp.down_proj.weight.data.zero_()
    made.lm_head.weight = made.model.embed_tokens.weight
    plain = generate(made, tokenizer, [toy_models.TEXTS[0]], max_new_tokens=12)
    assert plain == ["." * 12]
    made.generation_config.repetition_penalty, made.generation_config.no_repeat_ngram_size = 5.0, 1
    assert generate(made, tokenizer, [toy_models.TEXTS[0]], max_new_tokens=12) == plain
