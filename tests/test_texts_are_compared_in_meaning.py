"""BERTScore: written texts are compared with their references by an encoder that the recipe names."""

import tomllib

import pytest

from pipelines.base_source import find
from pipelines.errors import Refused
from pipelines.pins import pinned
from pipelines.recipe_file import parse_recipe
from pipelines.settings import ROOT, read_settings
from tests.toy_models import encoder_folder

MINILM = {
    "model": "hf://sentence-transformers/all-MiniLM-L6-v2",
    "sha256": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
}


def by_hand(folder, reference, answer):
    """The F1 of Zhang et al. 2020, equations 1 and 2, over the last states of the tokens that are no frame."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    states = []
    for text in (answer, reference):
        with torch.inference_mode():
            own = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, 1:-1]
        states.append(torch.nn.functional.normalize(own, dim=-1))
    alike = states[0] @ states[1].T
    precision, recall = alike.max(1).values.mean(), alike.max(0).values.mean()
    return (2 * precision * recall / (precision + recall)).item()


def test_it_is_what_the_paper_says_and_the_nearest_reference_counts(tmp_path):
    from models.meaning import bert_scores

    folder = encoder_folder(tmp_path / "encoder")
    pair = ("Deletes the table of the user.", "Creates a user.")
    found = bert_scores(folder, [[pair[0]], [pair[0], pair[1]], [pair[0]], [" "]], [pair[1], pair[1], " ", pair[1]])
    assert found == pytest.approx([by_hand(folder, *pair), 1.0, 0.0, 0.0], abs=1e-4)


def test_a_text_that_is_longer_than_the_encoder_reads_is_cut(tmp_path):
    """RoBERTa has two positions more than it can read."""
    from transformers import AutoTokenizer, RobertaConfig, RobertaModel

    from models.meaning import bert_scores

    folder = encoder_folder(tmp_path / "encoder")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    sizes |= {"vocab_size": len(tokenizer), "max_position_embeddings": 34, "pad_token_id": 1}
    config = RobertaConfig(**sizes)
    RobertaModel(config).save_pretrained(folder)
    text = "Deletes the table of the user. " * 20
    assert bert_scores(folder, [[text]], [text]) == pytest.approx([1.0], abs=1e-4)


def test_an_encoder_that_knows_the_language_tells_meaning_from_words():
    from models.meaning import bert_scores

    folder = find(MINILM["model"], MINILM["sha256"], read_settings())
    same, other = bert_scores(
        folder,
        [["A cat was sitting on a mat."], ["The weather was cold in May."]],
        ["The cat sat on the mat.", "Profits rose in May."],
    )
    assert same > other + 0.3


def recipe(**changes):
    values = tomllib.loads((ROOT / "pipelines" / "recipes" / "docs_writer.toml").read_text())
    return parse_recipe(values | changes, "test")


def test_what_names_an_encoder_is_frozen_with_its_digest(tmp_path):
    folder = encoder_folder(tmp_path / "encoder")
    frozen = pinned(recipe(evaluate={"encoder": {"model": str(folder)}}), read_settings())
    assert find(str(folder), frozen.evaluate.encoder.sha256, read_settings()) == folder
    (folder / "model.safetensors").write_bytes(b"another")
    with pytest.raises(Refused, match="but the recipe pins"):
        find(str(folder), frozen.evaluate.encoder.sha256, read_settings())


def test_a_gate_on_it_needs_an_encoder_and_an_encoder_needs_written_texts():
    gate = {"metric": "bert_score", "at_least": 0.8}
    with pytest.raises(Refused, match=r"gates.0.metric: bert_score needs evaluate.encoder"):
        recipe(gates=[gate])
    assert recipe(gates=[gate], evaluate={"encoder": MINILM}).gates[0].metric == "bert_score"
    shipped = tomllib.loads((ROOT / "pipelines" / "recipes" / "summary_checker.toml").read_text())
    with pytest.raises(Refused, match="pair_classification writes none"):
        parse_recipe(shipped | {"evaluate": {"encoder": MINILM}}, "test")
