"""A recipe whose base is a decoder goes through every step to labels, and what it learned is a base again."""

import json
import tomllib

import pytest

from models.tasks import TASKS
from pipelines.artifact import read_json, sha256_file
from pipelines.errors import Refused
from pipelines.recipe_file import parse_recipe
from tests import toy_models
from tests.evidence import RECIPE
from tests.small_decoders import CHINESE, beginning, classifier, decoder_folder
from tests.stopping import stopped_in_the_third_step
from tests.training_work import does, labelled, work_of, write_splits

STEPS = {
    "base": {"model": {"scratch": "micro-decoder"}, "tokens": 3000},
    "pretrain": {"objective": "causal", "tokens": 3000, "batch_tokens": 512},
    "finetune": {"epochs": 2, "max_length": 48, "batch_size": 8, "learning_rate": 5e-3},
    "gates": [],
    "evaluate": {"control": False},
}


def recipe(**changes):
    """A recipe of a task whose examples lie below its name."""
    values = tomllib.loads(RECIPE)
    data = values["data"] | {"examples": f"tasks/{changes['task']}"}
    return parse_recipe(values | STEPS | {"data": data} | changes, "test")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for name, texts in (("domain", toy_models.TEXTS), ("general", CHINESE)):
        rows = [{"text": text, "split": "heldout" if n % 5 == 0 else "train"} for n, text in enumerate(texts)]
        write_splits(folder / "corpus", **{name: rows})
    rows = labelled(toy_models.TEXTS)
    write_splits(folder / "tasks/classification", train=rows[::2], validation=rows[1::4], test=rows[3::4])
    several = [{**row, "labels": [row["label"], row["text"].split()[2]]} for row in rows]
    write_splits(folder / "tasks/multi_label", train=several[::2], validation=several[1::4], test=several[3::4])
    pairs = [
        {"id": str(n), "text_a": a, "text_b": b, "label": "same" if does(a) == does(b) else "other"}
        for n, (a, b) in enumerate(zip(toy_models.TEXTS, toy_models.TEXTS[::-1][3:], strict=False))
    ]
    write_splits(folder / "tasks/pair_classification", train=pairs[::2], validation=pairs[1::4], test=pairs[3::4])
    return folder


@pytest.fixture(scope="module")
def adapted(data, tmp_path_factory):
    """A scratch decoder that has read the domain."""
    from pipelines.base_model import base
    from pipelines.pretrain import pretrain

    folder = tmp_path_factory.mktemp("adapted")
    base(work_of(recipe(task="classification"), folder / "base", {"dataset": data}))
    pretrain(
        work_of(recipe(task="classification"), folder / "pretrain", {"dataset": data, "base": folder / "base/out"})
    )
    return folder / "pretrain/out"


@pytest.mark.slow
@pytest.mark.parametrize("task", ["classification", "multi_label", "pair_classification"])
def test_a_recipe_goes_from_a_decoder_to_scores_and_what_is_left_of_its_language(task, data, adapted, tmp_path):
    from models.serving import load
    from pipelines.finetune import finetune
    from pipelines.retention import retention
    from pipelines.score import score

    of = recipe(task=task)
    finetune(work_of(of, tmp_path / "tuned", {"dataset": data, "model": adapted}))
    tuned = tmp_path / "tuned/out"
    score(work_of(of, tmp_path / "score", {"dataset": data, "model": tuned}))
    said = [json.loads(line) for line in (tmp_path / "score/out/predictions.jsonl").read_text().splitlines()]
    rows = [json.loads(line) for line in (data / f"tasks/{task}/test.jsonl").read_text().splitlines()]
    served = load(tuned / "model", task)(rows)
    assert [answer["prediction"] for answer in served] == [answer["prediction"] for answer in said]
    assert read_json(tmp_path / "score/out/metrics.json")[TASKS[task].primary] > 0.4
    retention(work_of(of, tmp_path / "left", {"dataset": data, "adapted": adapted, "tuned": tuned}))
    before, after = (
        read_json(folder / "metrics.json")["bits_per_byte"]["domain"] for folder in (adapted, tmp_path / "left/out")
    )
    assert 0 < abs(after / before - 1) < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("student", [decoder_folder, toy_models.encoder_folder])
def test_it_teaches_a_smaller_decoder_and_an_encoder(student, data, adapted, tmp_path):
    from models import backbone
    from models.text_state import is_last
    from pipelines.distil import distil

    backbone.save(*backbone.new_classifier(adapted / "model", ["read", "write"], 1, 48, 1), tmp_path / "teacher/model")
    of = recipe(task="classification", distil={"student": str(student(tmp_path / "small")), "epochs": 1, "corpus": 5})
    distil(work_of(of, tmp_path / "work", {"dataset": data, "teacher": tmp_path / "teacher"}))
    found = read_json(tmp_path / "work/out/metrics.json")
    assert found["parameters"] < found["teacher_parameters"]
    assert is_last(backbone.config_of(tmp_path / "work/out/model")) == (student is decoder_folder)


@pytest.mark.slow
def test_a_stopped_training_goes_on_to_the_same_weights(data, adapted, tmp_path, monkeypatch):
    from pipelines.finetune import finetune

    of = recipe(task="classification")
    inputs = {"dataset": data, "model": adapted}
    with stopped_in_the_third_step(monkeypatch):
        finetune(work_of(of, tmp_path / "stopped", inputs))
    for folder in ("stopped", "whole"):
        finetune(work_of(of, tmp_path / folder, inputs))
    digests = {sha256_file(tmp_path / folder / "out/model/model.safetensors") for folder in ("stopped", "whole")}
    assert len(digests) == 1


@pytest.mark.slow
def test_what_a_classifier_learned_is_a_base_again_and_its_prompts_do_not_end(data, tmp_path):
    """As `models:/name@champion` is one: for this task anew, and for one that writes."""
    from models import backbone
    from models.writers import decoder_from

    model, tokenizer = classifier(beginning(tmp_path / "base"), [("one",)])
    backbone.save(model, tokenizer, tmp_path / "tuned")
    again, asking, is_new = decoder_from(tmp_path / "tuned", 1)
    assert is_new  # the toy's head is not its embeddings
    assert again.get_input_embeddings().weight.equal(model.get_input_embeddings().weight)
    assert asking("Lists")["input_ids"] == tokenizer("Lists")["input_ids"][:-1]
    assert len(asking("")["input_ids"]) == 1
    backbone.save(again, asking, tmp_path / "again")
    assert classifier(tmp_path / "again", [("one",)])[1]("Lists")["input_ids"] == tokenizer("Lists")["input_ids"]


@pytest.mark.slow
def test_a_language_model_of_a_hub_whose_tokenizer_cannot_fill_up_reads_the_domain(data, tmp_path):
    from pipelines.base_model import base
    from pipelines.pretrain import pretrain

    of = recipe(task="classification", base={"model": str(decoder_folder(tmp_path / "hub"))})
    base(work_of(of, tmp_path / "base", {"dataset": data}))
    pretrain(work_of(of, tmp_path / "pretrain", {"dataset": data, "base": tmp_path / "base/out"}))
    assert read_json(tmp_path / "pretrain/out/metrics.json")["tokens"] >= 3000


@pytest.mark.slow
def test_an_encoder_is_no_base_of_a_causal_objective(data, tmp_path):
    from models import backbone
    from pipelines.base_model import base

    backbone.save(*toy_models.masked_bert(toy_models.TEXTS), tmp_path / "bert")
    of = recipe(task="classification", base={"model": str(tmp_path / "bert")})
    with pytest.raises(Refused, match="holds a bert that reads both ways, an encoder; take a decoder, or set pretrain"):
        base(work_of(of, tmp_path / "work", {"dataset": data}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "retrieval"}, "pretrain.objective is 'causal'; the task retrieval needs 'masked'"),
        ({"task": "recommendation"}, "pretrain.objective is 'causal'; the task recommendation needs 'masked'"),
        ({"base": {"model": {"scratch": "tiny-encoder"}}}, "base.model.scratch is 'tiny-encoder'"),
        (
            {"finetune": {"auxiliary": [{"task": "retrieval", "examples": "tasks/faq"}]}},
            "finetune.auxiliary.0.task: retrieval needs pretrain.objective 'masked', and it is 'causal'",
        ),
        (
            {"finetune": {"auxiliary": [{"task": "generation", "examples": "tasks/write"}]}},
            "generation needs a model that writes, and classification, the recipe's task, one that reads",
        ),
        ({"finetune": {"augment": {"masked": True}}}, "finetune.augment.masked needs a masked model"),
    ],
)
def test_what_does_not_go_with_it_is_refused_when_the_recipe_is_read(changes, message):
    with pytest.raises(Refused) as refusal:
        recipe(**{"task": "classification"} | changes)
    assert message in str(refusal.value)
