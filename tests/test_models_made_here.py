"""A model that is made here depends on its texts and its seed alone, and reads and writes what it must."""

import pytest

from models.scratch import KINDS, SCRATCH, names, scratch
from tests.toy_models import TEXTS

CHINESE = ["\u6211\u6628\u5929\u53bb\u4e86\u5317\u4eac", "\u5317\u4eac\u5f88\u5927"]

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["micro-encoder", "micro-decoder", "micro-encoder-decoder"])
def test_the_same_texts_and_seed_make_the_same_model_and_tokenizer(name):
    import torch

    (one, its), (other, theirs) = (scratch(name, TEXTS, 7) for _ in range(2))
    assert its.get_vocab() == theirs.get_vocab()
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    third = scratch(name, TEXTS, 8)[0]
    assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), third.parameters(), strict=True))


@pytest.mark.parametrize("name", ["micro-encoder", "micro-decoder", "micro-encoder-decoder"])
def test_any_text_comes_back_as_it_was(name):
    tokenizer = scratch(name, [*TEXTS, *CHINESE], 7)[1]
    for text in (*CHINESE, "\u00fcber \U0001f600  two  spaces", "Never seen: {x}."):
        assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_an_encoder_frames_one_text_and_two():
    tokenizer = scratch("micro-encoder", TEXTS, 7)[1]
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("a", "b")["input_ids"])
    assert tokens == ["<s>", "a", "</s>", "b", "</s>"]
    assert tokenizer.mask_token_id is not None


def test_an_encoder_is_saved_and_is_a_masked_language_model_a_backbone_and_a_classifier(tmp_path):
    from models import backbone

    model, tokenizer = scratch("micro-encoder", TEXTS, 7)
    backbone.save(model, tokenizer, tmp_path)
    again, _, is_new = backbone.masked_from_encoder(tmp_path, 1)
    assert not is_new
    assert again.num_parameters() == model.num_parameters()
    for texts in (1, 2):
        backbone.new_classifier(tmp_path, ["no", "yes"], 1, 64, texts)


def test_each_objective_has_its_own_kind():
    found = [name for objective in KINDS for name in names(objective)]
    assert sorted(found) == sorted(SCRATCH)
