"""The steps that train, one after the other, on data and models small enough for a test."""

import json
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

import pytest
import torch  # noqa: TID253 - tests of models need it

from pipelines.artifact import read_json, sha256_file
from pipelines.errors import Refused
from pipelines.recipe_file import load_recipe
from pipelines.run import new_run
from pipelines.settings import ROOT
from pipelines.steps import Work, made_from
from tests.toy_models import TEXTS, encoder_folder
from tests.training_work import work_of

pytestmark = pytest.mark.slow

TINY = {
    "base.tokens": 3000,
    "base.model.scratch": "micro-decoder",
    "pretrain.tokens": 3000,
    "pretrain.batch_tokens": 512,
    "finetune.epochs": 1,
    "finetune.max_length": 48,
    "finetune.batch_size": 8,
}


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    for name in ("domain", "general"):
        rows = [{"text": text, "split": "heldout" if n % 5 == 0 else "train"} for n, text in enumerate(TEXTS)]
        write_rows(folder / f"corpus/{name}.jsonl", rows)
    for split in ("train", "validation", "test"):
        labels = cycle(("no", "yes"))
        pairs = [{"text_a": a, "text_b": b, "label": next(labels)} for a, b in pairwise(TEXTS)]
        write_rows(folder / f"tasks/summary_check/{split}.jsonl", pairs[:60])
        prompts = [{"prompt": f"Operation {n}\nSummary:", "completion": text} for n, text in enumerate(TEXTS)]
        write_rows(folder / f"tasks/operation_summary/{split}.jsonl", prompts[:60])
        write_rows(folder / f"tasks/dialog/{split}.jsonl", [dialog(n, text) for n, text in enumerate(TEXTS[:60])])
    return folder


def dialog(number: int, text: str) -> dict[str, Any]:
    """Some are longer than what a training of TINY reads."""
    before = [{"role": "user", "content": text}, {"role": "assistant", "content": text}] * (number % 3)
    last = [{"role": "user", "content": f"Operation {number}?"}, {"role": "assistant", "content": text}]
    return {"messages": [*before, *last], "context": [text]}


def work(recipe: str, changes: dict[str, Any], inputs: dict[str, Path], folder: Path) -> Work:
    """What a step gets; its output goes below `folder`."""
    values = load_recipe(ROOT / "pipelines" / "recipes" / f"{recipe}.toml", changes)
    return work_of(values, folder, inputs)


def trained(recipe: str, changes: dict[str, Any], dataset: Path, folder: Path) -> dict[str, Path]:
    """The outputs of base, pretrain and finetune."""
    from pipelines.base_model import base
    from pipelines.finetune import finetune
    from pipelines.pretrain import pretrain

    base(work(recipe, changes, {"dataset": dataset}, folder / "base"))
    adapted = {"dataset": dataset, "base": folder / "base" / "out"}
    pretrain(work(recipe, changes, adapted, folder / "pretrain"))
    finetune(work(recipe, changes, {"dataset": dataset, "model": folder / "pretrain" / "out"}, folder / "finetune"))
    return {name: folder / name / "out" for name in ("base", "pretrain", "finetune")}


def check_outputs(made: dict[str, Path]) -> None:
    for name, folder in made.items():
        assert {"config.json", "model.safetensors", "tokenizer.json"} <= {p.name for p in (folder / "model").iterdir()}
        rows = [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]
        assert rows[-1]["loss"] < rows[0]["loss"], name
        assert set(rows[0]) == {"step", "tokens", "loss", "learning_rate"}
    before, after = (read_json(made[name] / "metrics.json")["bits_per_byte"] for name in ("base", "pretrain"))
    assert after["domain"] < before["domain"]
    assert read_json(made["finetune"] / "metrics.json")["best_epoch"] == 1


def test_a_scratch_decoder_learns_general_then_domain_text_then_the_task(dataset, tmp_path):
    from models import backbone

    made = trained("docs_writer", TINY, dataset, tmp_path)
    check_outputs(made)
    model, tokenizer = backbone.load_causal(made["finetune"] / "model")
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id


def test_a_decoder_learns_what_is_answered_in_dialogs(dataset, tmp_path):
    made = trained("docs_writer", {**TINY, "task": "dialog", "data.examples": "tasks/dialog"}, dataset, tmp_path)
    check_outputs(made)


@pytest.mark.parametrize("start", ["scratch", "encoder"])
def test_an_encoder_decoder_learns_to_fill_gaps_then_the_task(start, dataset, tmp_path):
    from models import writers

    changes = {key: value for key, value in TINY.items() if key != "base.model.scratch"}
    changes |= {"pretrain.objective": "denoising", "pretrain.learning_rate": 1e-3}
    changes |= {"base.model": {"scratch": "micro-encoder-decoder"}}
    if start == "encoder":
        changes |= {"base.model": str(encoder_folder(tmp_path / "encoder")), "base.warm_start": True}
        changes |= {"pretrain.block": 64}
    made = trained("docs_writer", changes, dataset, tmp_path)
    before, after = (read_json(made[name] / "metrics.json")["bits_per_byte"] for name in ("base", "pretrain"))
    assert after["domain"] < before["domain"]
    model, _ = writers.load_writer(made["finetune"] / "model")
    assert type(model).__name__ == {"scratch": "T5ForConditionalGeneration", "encoder": "EncoderDecoderModel"}[start]


@pytest.mark.parametrize(
    "way",
    [
        {"pretrain.method": "lora", "pretrain.masking": "whole_word"},
        {"pretrain.ewc": 1.0, "pretrain.distil": 0.5, "pretrain.masking": "span"},
    ],
)
def test_a_base_is_held_while_it_learns_the_domain_and_ends_as_a_plain_model(way, dataset, tmp_path):
    from models import backbone
    from pipelines.base_model import base
    from pipelines.pretrain import pretrain

    changes = {key: value for key, value in TINY.items() if key != "base.model.scratch"}
    changes |= {"base.model": str(encoder_folder(tmp_path / "encoder")), "pretrain.learning_rate": 1e-3} | way
    changes["base.sha256"] = sha256_file(tmp_path / "encoder" / "model.safetensors")
    base(work("summary_checker", changes, {"dataset": dataset}, tmp_path / "base"))
    inputs = {"dataset": dataset, "base": tmp_path / "base" / "out"}
    pretrain(work("summary_checker", changes, inputs, tmp_path / "pretrain"))
    before, after = (backbone.load_masked(tmp_path / name / "out" / "model")[0] for name in ("base", "pretrain"))
    assert before.state_dict().keys() == after.state_dict().keys()
    assert any(not torch.equal(a, b) for a, b in zip(before.parameters(), after.parameters(), strict=True))


def test_an_encoder_without_a_head_gets_one_and_ends_as_a_classifier(dataset, tmp_path):
    from models import backbone

    changes = {
        **{key: value for key, value in TINY.items() if key != "base.model.scratch"},
        "base.model": str(encoder_folder(tmp_path / "encoder")),
        "base.sha256": sha256_file(tmp_path / "encoder" / "model.safetensors"),
        "pretrain.learning_rate": 1e-3,
        "finetune.learning_rate": 1e-3,
    }
    made = trained("summary_checker", changes, dataset, tmp_path)
    check_outputs(made)
    classifier, tokenizer = backbone.load_classifier(made["finetune"] / "model")
    assert classifier.config.id2label == {0: "no", 1: "yes"}
    assert tokenizer.model_max_length == 48


def test_the_same_run_twice_writes_the_same_bytes(dataset, tmp_path):
    from pipelines.base_model import base

    for name in ("one", "two"):
        base(work("docs_writer", TINY, {"dataset": dataset}, tmp_path / name))
    files = [p.relative_to(tmp_path / "one") for p in (tmp_path / "one" / "out").rglob("*") if p.name != "timings.json"]
    different = [f for f in files if (tmp_path / "one" / f).is_file() and digests(tmp_path, f)]
    assert not different


def digests(folder: Path, file: Path) -> bool:
    return sha256_file(folder / "one" / file) != sha256_file(folder / "two" / file)


@pytest.mark.parametrize("key", ["pretrain.block", "finetune.max_length"])
def test_more_tokens_than_the_base_can_read_are_refused_before_any_training(dataset, tmp_path, key):
    from pipelines.base_model import base

    encoder = {"base.model": str(encoder_folder(tmp_path / "encoder")), "base.sha256": None, key: 129}
    with pytest.raises(Refused, match=f"{key} is 129, but the base reads 128 tokens at once"):
        base(work("summary_checker", encoder, {"dataset": dataset}, tmp_path / "encoder-base"))
    assert not list((tmp_path / "encoder-base" / "checkpoints").iterdir())
    decoder = {**TINY, "pretrain.batch_tokens": 1024, key: 513}
    with pytest.raises(Refused, match=f"{key} is 513, but the base reads 512 tokens at once"):
        base(work("docs_writer", decoder, {"dataset": dataset}, tmp_path / "decoder-base"))


def test_what_says_what_is_masked_is_refused_where_nothing_is():
    for changes, why in (
        (
            {"pretrain.masking": "whole_word"},
            "pretrain.masking says what a masked objective hides; 'causal' is another",
        ),
        ({"pretrain.mask": 0.3}, "pretrain.mask is the share of tokens that are hidden, and 'causal' hides none"),
    ):
        with pytest.raises(Refused, match=why):
            load_recipe(ROOT / "pipelines" / "recipes" / "docs_writer.toml", {**TINY, **changes})


def test_a_base_that_was_made_before_is_compared_with_todays_length(dataset, tmp_path):
    from pipelines.finetune import finetune

    encoder_folder(tmp_path / "adapted" / "model")
    inputs = {"dataset": dataset, "model": tmp_path / "adapted"}
    with pytest.raises(Refused, match=r"finetune.max_length is 129, but the base reads 128"):
        finetune(work("summary_checker", {"finetune.max_length": 129}, inputs, tmp_path))


def test_virtual_tokens_are_counted_among_those_that_the_base_reads(dataset, tmp_path):
    from pipelines.finetune import finetune

    encoder_folder(tmp_path / "adapted" / "model")
    inputs = {"dataset": dataset, "model": tmp_path / "adapted"}
    changes = {"finetune.method": "prefix", "finetune.rank": 16, "finetune.max_length": 113}
    told = r"finetune.max_length is 113, .* 128 tokens at once and 16 virtual ones stand .*; set it to 112 or fewer"
    with pytest.raises(Refused, match=told):
        finetune(work("summary_checker", changes, inputs, tmp_path))


@pytest.mark.parametrize("method", ["prefix", "prompt"])
def test_virtual_tokens_are_learned_scored_and_served_and_the_language_is_measured_behind_them(
    method, dataset, tmp_path, tuned
):
    from models.serving import load
    from pipelines.answers import label
    from pipelines.retention import retention

    folder = tuned("tuned", method=method, rank=4, learning_rate=1e-2)
    row = {"id": "a", "text_a": TEXTS[0], "text_b": TEXTS[1], "label": "no"}
    (scored,) = label.predictions(label.TASKS["pair_classification"], folder / "model", [row])
    (served,) = load(folder / "model", "pair_classification")([row])
    assert (served["prediction"], served["probability"]) == (
        scored["prediction"],
        pytest.approx(scored["probability"], 1e-5),
    )
    assert torch.equal(words(folder), words(tmp_path / "adapted"))
    inputs = {"dataset": dataset, "adapted": tmp_path / "language", "tuned": folder}
    backbone_with_head(tmp_path / "adapted" / "model", tmp_path / "language" / "model")
    retention(work("summary_checker", {}, inputs, tmp_path / "retention"))
    measured = read_json(tmp_path / "retention" / "out" / "metrics.json")["bits_per_byte"]
    assert measured["domain"] > 0


def backbone_with_head(folder, target):
    from models import backbone

    model, tokenizer, _ = backbone.masked_from_encoder(folder, 1)
    backbone.save(model, tokenizer, target)


@pytest.mark.parametrize("kind", ["encoder", "classifier"])
def test_a_base_with_virtual_tokens_is_refused(kind, tmp_path, dataset):
    from models import backbone, methods
    from pipelines.base_model import base

    folder = encoder_folder(tmp_path / "encoder")
    pair = backbone.load_encoder(folder) if kind == "encoder" else backbone.new_classifier(folder, ["a", "b"], 1, 64, 2)
    backbone.save(methods.prompt(pair[0], 4, 0), pair[1], tmp_path / "tuned")
    changes = {"base.model": str(tmp_path / "tuned"), "base.sha256": None}
    with pytest.raises(Refused, match="has virtual tokens before its texts; take the model that it was tuned from"):
        base(work("summary_checker", changes, {"dataset": dataset}, tmp_path / "base"))


def test_positions_that_begin_after_padding_are_not_counted():
    from transformers import RobertaConfig, RobertaForMaskedLM

    from models.backbone import room

    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    assert room(RobertaForMaskedLM(RobertaConfig(vocab_size=20, max_position_embeddings=34, **sizes))) == 32


CHANGES = {"objective": "causal", "batch_tokens": 64, "accumulation": 2, "block": 16, "mask": 0.5, "masking": "span"}


@pytest.mark.parametrize("key", CHANGES)
def test_all_that_the_base_is_trained_with_is_part_of_its_key(key):
    run = new_run(load_recipe(ROOT / "pipelines" / "recipes" / "summary_checker.toml"), "test", "0" * 32, "tester")
    pretrain = run.recipe.pretrain.model_copy(update={key: CHANGES[key]})
    other = run.model_copy(update={"recipe": run.recipe.model_copy(update={"pretrain": pretrain})})
    inputs = {"dataset": "0", "validation": "0"}
    assert made_from("base", run, inputs) != made_from("base", other, inputs)


@pytest.fixture
def tuned(dataset, tmp_path):
    """Fine-tune a tiny encoder with changes to the recipe; returns the folder that the step wrote."""
    from pipelines.finetune import finetune

    encoder_folder(tmp_path / "adapted" / "model")

    def tune(name, **changes):
        keys = {"epochs": 1, "batch_size": 16, "max_length": 48, "frozen_layers": None, **changes}
        inputs = {"dataset": dataset, "model": tmp_path / "adapted"}
        dotted = {f"finetune.{key}": value for key, value in keys.items()}
        finetune(work("summary_checker", dotted, inputs, tmp_path / name))
        return tmp_path / name / "out"

    return tune


def steps(folder):
    return json.loads((folder / "curve.jsonl").read_text().splitlines()[-1])["step"]


def words(folder):
    """The embeddings of a model folder, the deepest of its layers."""
    from safetensors.torch import load_file

    weights = load_file(folder / "model" / "model.safetensors")
    return next(value for name, value in weights.items() if name.endswith("word_embeddings.weight"))


def test_a_batch_cut_into_parts_is_still_one_step(tuned):
    assert steps(tuned("whole")) == steps(tuned("parts", accumulation=4)) == 4


def test_lower_layers_learn_as_much_more_slowly_as_the_recipe_says(tuned, tmp_path):
    alike, decayed = tuned("alike"), tuned("decayed", layer_decay=0.01)
    moved, moved_less = ((words(folder) - words(tmp_path / "adapted")).abs().max() for folder in (alike, decayed))
    assert moved > 1e-4
    assert 0 < moved_less < 0.01 * moved


def test_an_unknown_scratch_model_is_refused_with_the_near_miss(dataset, tmp_path):
    from pipelines.base_model import base

    changes = {**TINY, "base.model.scratch": "mikro-decoder"}
    with pytest.raises(Refused, match="did you mean 'micro-decoder'"):
        base(work("docs_writer", changes, {"dataset": dataset}, tmp_path))
