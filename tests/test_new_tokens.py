"""A domain's habits become tokens: the tokenizer's own training goes on, and the model starts with what it knew."""

import json
from typing import Any

import pytest
import torch  # noqa: TID253 - tests of models need it

from models import backbone
from models.bits import bits_per_byte, ratio
from models.new_tokens import extended, found, joined
from models.scratch import train_byte_pairs
from models.tokenizer import load_tokenizer
from pipelines.artifact import read_json
from pipelines.errors import Refused
from pipelines.recipe_file import load_recipe
from pipelines.settings import ROOT
from tests import toy_models
from tests.test_earlier_domains import write_corpus
from tests.test_training_steps import TINY, work

LAW = ["The lessee shall indemnify the lessor.", "被告人应当依照法律承担赔偿责任。"] * 20


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return toy_models.decoder_tokenizer()


def test_pairs_are_those_that_byte_pair_training_would_have_joined_next():
    """A tokenizer stopped early and gone on with cuts as one that was never stopped."""
    from transformers import PreTrainedTokenizerFast

    texts = [*toy_models.TEXTS, *LAW]
    whole = train_byte_pairs(texts, 320, ["<end>"])
    early = PreTrainedTokenizerFast(tokenizer_object=train_byte_pairs(texts, 300, ["<end>"]), eos_token="<end>")
    model = toy_models.decoder(len(early))
    larger, pairs = extended(model, early, texts, 20)
    assert len(pairs) == 20
    # Of pairs that are equally frequent the library takes another one first, and a text may be cut otherwise, as short.
    assert sum(len(larger.tokenize(text)) for text in texts) == sum(len(whole.encode(text).tokens) for text in texts)


def test_the_most_frequent_pair_comes_first_and_equal_ones_by_their_letters():
    counts = {("a", "b", "c"): 30, ("x", "b", "c"): 5, ("d", "e"): 30, ("z", "z", "z"): 4}
    assert found(counts, 9) == [("b", "c"), ("a", "bc"), ("d", "e")]
    assert found(counts, 1) == [("b", "c")]
    assert joined(["z", "z", "z"], ("z", "z")) == ["zz", "z"]


def test_two_pairs_that_spell_one_token_make_it_once_and_a_token_that_is_there_keeps_its_number():
    counts = {("a", "b", "x"): 50, ("a", "bc"): 40, ("ab", "c"): 30, ("d", "e"): 20}
    assert found(counts, 9, ["ab"]) == [("b", "x"), ("a", "bx"), ("a", "bc"), ("d", "e")]


def test_text_is_cut_into_fewer_tokens_that_read_the_same_and_the_old_ones_keep_their_numbers(tokenizer):
    model = toy_models.decoder(len(tokenizer))
    larger, pairs = extended(model, tokenizer, LAW, 40)
    assert len(larger) == len(tokenizer) + len(pairs) == model.config.vocab_size
    for text in LAW[:2]:
        old, new = tokenizer(text)["input_ids"], larger(text)["input_ids"]
        assert len(new) < 0.8 * len(old)
        assert larger.decode(new) == text
    assert {n: t for t, n in larger.get_vocab().items() if n < len(tokenizer)} == {
        n: t for t, n in tokenizer.get_vocab().items()
    }
    assert larger.eos_token_id == tokenizer.eos_token_id
    again, _ = extended(toy_models.decoder(len(tokenizer)), tokenizer, LAW, 40)
    assert again.backend_tokenizer.to_str() == larger.backend_tokenizer.to_str()


@pytest.mark.parametrize("tied", [True, False])
def test_a_new_token_starts_as_the_mean_of_the_pieces_that_stood_there(tokenizer, tied):
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), tie_word_embeddings=tied, **sizes)).eval()
    old = [m.weight.detach().clone() for m in (model.get_input_embeddings(), model.get_output_embeddings())]
    larger, pairs = extended(model, tokenizer, LAW, 40)
    new = [m.weight.detach() for m in (model.get_input_embeddings(), model.get_output_embeddings())]
    for before, after in zip(old, new, strict=True):
        assert torch.equal(after[: len(tokenizer)], before)
        for pair in pairs:
            token = "".join(pair)
            pieces = tokenizer.convert_tokens_to_ids(pieces_of(tokenizer, token))
            assert torch.allclose(after[larger.convert_tokens_to_ids(token)], before[pieces].mean(0))
    assert torch.equal(*new) == tied


def pieces_of(tokenizer: Any, token: str) -> list[str]:
    """How the old tokenizer cuts what a token stands for, given in the letters that stand for bytes."""
    made: list[str] = list(token)
    for pair in map(tuple, json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]):
        made = joined(made, pair)
    return made


def test_numbers_that_stand_for_no_token_are_left_so(tokenizer, tmp_path):
    """As in models whose reserved tokens were never named."""
    tokenizer.save_pretrained(tmp_path)
    path = tmp_path / "tokenizer.json"
    state = json.loads(path.read_text())
    state["model"]["vocab"] = {t: n if n < 300 else n + 50 for t, n in state["model"]["vocab"].items()}
    path.write_text(json.dumps(state))
    gaps = load_tokenizer(tmp_path)
    model = toy_models.decoder(len(gaps) + 50)
    larger, pairs = extended(model, gaps, LAW, 5)
    numbers = sorted(larger.get_vocab().values())
    assert numbers[-5:] == list(range(len(gaps) + 50, len(gaps) + 55))
    assert len(set(numbers)) == len(gaps) + len(pairs)
    assert model.config.vocab_size == len(gaps) + 55
    assert larger.decode(larger(LAW[1])["input_ids"]) == LAW[1]


def test_a_tokenizer_that_cannot_go_on_is_refused():
    model, pieces = toy_models.decoder(300), toy_models.word_pieces(toy_models.TEXTS)
    with pytest.raises(ValueError, match="its tokenizer is a WordPiece, and only one of byte pairs"):
        extended(model, pieces, LAW, 5)


@pytest.mark.parametrize(
    ("recipe", "changes", "message"),
    [
        ("summary_checker", {}, "pretrain.new_tokens is for a causal objective"),
        ("docs_writer", {"pretrain.method": "lora"}, "learned by embeddings, which lora does not change"),
        ("docs_writer", {"pretrain.tokens": 0}, "have to be learned, and pretrain.tokens is 0"),
    ],
)
def test_new_tokens_that_nothing_would_learn_are_refused(recipe, changes, message):
    with pytest.raises(Refused) as refusal:
        load_recipe(ROOT / "pipelines" / "recipes" / f"{recipe}.toml", {"pretrain.new_tokens": 9, **changes})
    assert message in str(refusal.value)


@pytest.mark.slow
def test_the_larger_tokenizer_goes_with_the_model_from_pretraining_to_the_task(tmp_path, capsys):
    from pipelines.base_model import base
    from pipelines.finetune import finetune
    from pipelines.pretrain import pretrain

    data = tmp_path / "dataset"
    write_corpus(data / "corpus/general.jsonl", toy_models.TEXTS)
    write_corpus(data / "corpus/domain.jsonl", [f"{text} {n}" for n, text in enumerate(LAW * 4)])
    for split in ("train", "validation", "test"):
        rows = [{"prompt": f"Say {n}:", "completion": text} for n, text in enumerate(LAW)]
        path = data / f"tasks/operation_summary/{split}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    # The scratch tokenizer has room for all of so small a text, and leaves no habit to find.
    base(work("docs_writer", TINY, {"dataset": data}, tmp_path / "base"))
    model, tokenizer = backbone.load_causal(tmp_path / "base/out/model")
    small = toy_models.decoder_tokenizer()
    backbone.save(toy_models.decoder(len(small)), small, tmp_path / "base/out/model")
    changes = {**TINY, "pretrain.new_tokens": 20, "pretrain.block": 128}
    pretrain(work("docs_writer", changes, {"dataset": data, "base": tmp_path / "base/out"}, tmp_path / "pretrain"))
    assert "20 new tokens: held-out text of the domain takes -" in capsys.readouterr().out
    inputs = {"dataset": data, "model": tmp_path / "pretrain/out"}
    finetune(work("docs_writer", changes, inputs, tmp_path / "finetune"))
    for name in ("pretrain", "finetune"):
        model, tokenizer = backbone.load_causal(tmp_path / name / "out/model")
        assert len(tokenizer) == len(small) + 20 == model.config.vocab_size
    measured = read_json(tmp_path / "pretrain/out/metrics.json")["bits_per_byte"]
    model, tokenizer = backbone.load_causal(tmp_path / "pretrain/out/model")
    assert measured["general"] == ratio(bits_per_byte(model, tokenizer, toy_models.TEXTS[::5]))
