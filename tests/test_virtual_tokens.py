"""Virtual tokens before every text: read as peft reads them, and seen by nobody who uses the model."""

import copy
from pathlib import Path
from typing import Any

import pytest

from models.methods import METHODS
from tests import toy_models

pytestmark = pytest.mark.slow

KINDS = ("prefix", "prompt")
TOKENS = 4


def tuned(kind: str, model: Any) -> Any:
    """A model with virtual tokens that have learned something, such as noise."""
    import torch

    torch.manual_seed(1)
    METHODS[kind](model, TOKENS, 0).eval()
    with torch.no_grad():
        model.base_model.virtual.states.add_(torch.randn_like(model.base_model.virtual.states))
    return model


def writer() -> tuple[Any, Any]:
    tokenizer = toy_models.decoder_tokenizer()
    return toy_models.decoder(len(tokenizer)), tokenizer


def tokens(texts: int, length: int) -> Any:
    import torch

    torch.manual_seed(2)
    return torch.randint(5, 60, (texts, length))


def in_peft(kind: str, model: Any) -> Any:
    """The same virtual tokens before the same model, but in peft."""
    from peft import PrefixTuningConfig, PromptTuningConfig, get_peft_model

    states = model.base_model.virtual.states.detach()
    config = PrefixTuningConfig if kind == "prefix" else PromptTuningConfig
    other = get_peft_model(writer()[0], config(task_type="CAUSAL_LM", num_virtual_tokens=TOKENS)).eval()
    flat = states.permute(3, 0, 1, 2, 4).reshape(TOKENS, -1) if kind == "prefix" else states
    other.prompt_encoder["default"].embedding.weight.data.copy_(flat)
    return other


@pytest.mark.parametrize("kind", KINDS)
def test_they_learn_and_the_head_and_nothing_else(kind: str, tmp_path: Path):
    from models import backbone

    folder = toy_models.encoder_folder(tmp_path)
    classifier, finder = backbone.new_classifier(folder, ["a", "b"], 1, 64, 1)[0], backbone.load_bi_encoder(folder)[0]
    learning = [
        {name for name, p in tuned(kind, model).named_parameters() if p.requires_grad}
        for model in (classifier, finder, writer()[0])
    ]
    assert learning[0] == {"encoder.virtual.states", "head.weight", "head.bias"}
    assert learning[1:] == [{"virtual.states"}, {"model.virtual.states"}]


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_is_read_as_peft_reads_it(kind: str):
    import torch

    model = tuned(kind, writer()[0])
    batch = {"input_ids": tokens(3, 9), "attention_mask": torch.ones(3, 9, dtype=torch.long)}
    theirs = in_peft(kind, model)(**batch).logits[:, -9:]
    torch.testing.assert_close(model(**batch).logits, theirs, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(writer()[0](**batch).logits, theirs, atol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_token_by_token_is_what_the_whole_text_says(kind: str):
    import torch

    model, ids = tuned(kind, writer()[0]), tokens(2, 9)
    padded = torch.nn.functional.pad(ids, (4, 0))
    padded[1, 3] = 7  # of texts of two lengths, one stands behind more padding
    mask = (torch.arange(13) >= torch.tensor([[4], [3]])).long()
    said = {"do_sample": False, "max_new_tokens": 8, "eos_token_id": None, "pad_token_id": 0}
    written = model.generate(input_ids=padded, attention_mask=mask, **said)
    for row, start in zip(written, (4, 3), strict=True):
        text = row[start:13][None]
        for token in row[13:]:
            logits = model(input_ids=text).logits[0, -1]
            assert token == logits.argmax()
            text = torch.cat([text, token[None, None]], dim=1)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing(kind: str, tmp_path: Path):
    import torch

    from models import backbone

    classifier = tuned(kind, backbone.new_classifier(toy_models.encoder_folder(tmp_path), ["a", "b"], 1, 64, 1)[0])
    for model in (classifier, tuned(kind, writer()[0])):
        ids = tokens(1, 9)
        alone = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        filled = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        among = model(**{name: torch.nn.functional.pad(t, (0, 5)) for name, t in filled.items()}).logits
        torch.testing.assert_close(among[:, : alone.shape[1]], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_embeddings_are_read_as_the_tokens_that_they_are_of(kind: str):
    import torch

    model, ids = tuned(kind, writer()[0]), tokens(2, 9)
    embedded = model.get_input_embeddings()(ids)
    torch.testing.assert_close(model(inputs_embeds=embedded).logits, model(input_ids=ids).logits)


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_has_virtual_tokens_of_its_own(kind: str):
    import torch

    model = tuned(kind, writer()[0])
    other, ids = copy.deepcopy(model), tokens(1, 9)
    before = model(input_ids=ids).logits
    other.base_model.virtual.states.data.zero_()
    assert torch.equal(model(input_ids=ids).logits, before)
    assert not torch.allclose(other(input_ids=ids).logits, before, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_they_take_room_that_no_text_has(kind: str):
    from models.backbone import room
    from models.generate import generate

    model, tokenizer = writer()
    tuned(kind, model)
    assert room(model) == 128 - TOKENS
    assert len(generate(model, tokenizer, [" ".join(toy_models.TEXTS)])) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_is_never_taken_for_one_without(kind: str, tmp_path: Path):
    from safetensors.torch import load_file, save_file

    from models import backbone

    model, tokenizer = writer()
    backbone.save(tuned(kind, model), tokenizer, tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} <= {".json", ".safetensors"}
    weights = load_file(tmp_path / "model.safetensors")
    assert weights.pop("model.virtual.states").numel()
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"lacks model\.virtual\.states"):
        backbone.load_causal(tmp_path)


def test_models_that_cannot_have_them_are_refused():
    from transformers import DistilBertConfig, DistilBertModel, MistralConfig, MistralForCausalLM, T5Config, T5Model

    from models.scratch import scratch
    from models.virtual_tokens import put

    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    short_sighted = MistralForCausalLM(MistralConfig(vocab_size=50, num_key_value_heads=2, sliding_window=8, **small))
    with pytest.raises(ValueError, match="some layers of this mistral look back only so far"):
        put(short_sighted, "prefix", TOKENS)
    with pytest.raises(ValueError, match="how to reach the layers of a distilbert, which has no cache"):
        put(DistilBertModel(DistilBertConfig(vocab_size=50, dim=32, hidden_dim=64, n_layers=1, n_heads=2)), "prefix", 4)
    with pytest.raises(ValueError, match="how to reach the layers of a eurobert, which has no cache"):
        put(scratch("micro-encoder", toy_models.TEXTS, 1)[0], "prefix", TOKENS)
    with pytest.raises(ValueError, match="where the virtual tokens of a t5 stand"):
        put(T5Model(T5Config(vocab_size=50, d_model=32, d_kv=16, d_ff=64, num_layers=1, num_heads=2)), "prompt", 4)
    with pytest.raises(ValueError, match="the model has 4 virtual tokens already"):
        put(tuned("prompt", writer()[0]), "prefix", TOKENS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_writer_that_asks_past_its_backbone_is_refused_before_it_learns_and_its_classifier_is_not(kind, tmp_path):
    import torch

    from models import backbone
    from pipelines.chosen_method import chosen_method
    from pipelines.errors import Refused
    from pipelines.recipe_file import load_recipe
    from pipelines.settings import ROOT

    tokenizer = toy_models.decoder_tokenizer()
    model = toy_models.opt(len(tokenizer)).train()
    recipe = load_recipe(ROOT / "pipelines" / "recipes" / "docs_writer.toml")
    recipe = recipe.model_copy(update={"finetune": recipe.finetune.model_copy(update={"method": kind})})
    with pytest.raises(Refused, match=rf"OPTForCausalLM never calls its OPTModel, before which a {kind} stands; lora"):
        chosen_method(recipe, model, [])
    assert model.training
    assert not hasattr(model.base_model, "virtual")
    assert any(p.requires_grad for p in METHODS["lora"](copy.deepcopy(model), TOKENS, 0).parameters())
    backbone.save(model, tokenizer, tmp_path)
    classifier, _ = backbone.new_classifier(tmp_path, ["a", "b"], 1, 64, 1)
    ids = tokens(1, 9)
    tuned(kind, classifier)(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.sum().backward()
    assert classifier.base_model.virtual.states.grad.any()


def test_a_model_with_them_becomes_an_onnx_file_that_answers_alike(tmp_path: Path):
    from models import backbone, onnx
    from models.exported import load_exported
    from models.predict import classify

    model, tokenizer = backbone.new_classifier(toy_models.encoder_folder(tmp_path / "base"), ["a", "b"], 1, 64, 1)
    tuned("prefix", model)
    onnx.export(model, tokenizer, tmp_path / "onnx")
    texts = [(text,) for text in toy_models.TEXTS[:4]]
    answers = classify(*load_exported(tmp_path / "onnx"), texts)
    for answer, (text,) in zip(answers, texts, strict=True):
        encoded = tokenizer(text, return_tensors="pt")  # in fp32, which `classify` of models.predict may leave
        ours = model(encoded["input_ids"], encoded["attention_mask"]).logits.softmax(-1)[0].tolist()
        assert list(answer.values()) == pytest.approx(ours, abs=1e-5)
