"""Where the recipe wants it, the epoch of a writer is kept that writes best, and not the one that expects most."""

import tomllib

import pytest

from models.tasks import TASKS
from pipelines.artifact import read_json
from pipelines.errors import Refused
from pipelines.mirror import here
from pipelines.recipe_file import parse_recipe
from pipelines.steps import make
from tests.evidence import RECIPE, artifact
from tests.small_evaluation import base_of, dataset, frozen, model_files, rows_of
from tests.small_evaluation import settings as settings  # noqa: PLC0414 - the fixture
from tests.toy_models import TEXTS

WRITER = {
    "base": {"model": {"scratch": "micro-decoder"}},
    "pretrain": {"objective": "causal", "tokens": 1000, "block": 64},
}


@pytest.mark.slow
def test_the_epoch_is_kept_whose_texts_are_nearest_to_the_references(settings, tmp_path, monkeypatch):
    from models import generate
    from models.backbone import save
    from models.scratch import scratch

    save(*scratch("micro-decoder", TEXTS, 7), tmp_path / "writer")
    told = {"batch_size": 4, "max_length": 64, "epochs": 3, "learning_rate": 3e-3, "validation_texts": 2}
    gate = {"metric": "rouge_l", "at_least": 0.0}
    run = frozen(settings, **WRITER, task="summarisation", finetune=told, gates=[gate])
    rows = rows_of(TASKS["summarisation"])
    made = {"dataset": artifact(settings, run, "dataset", {}, dataset(rows))}
    base = base_of(settings, run, made["dataset"], model_files(tmp_path / "writer", 3.0, 3.0))
    asked, answers = [], iter(("nothing", "Deletes Creates Lists Describes Updates", "nothing"))

    def written(model, tokenizer, prompts, progress):
        asked.append(len(prompts))
        return [next(answers)] * len(prompts)

    monkeypatch.setattr(generate, "generate", written)
    found = read_json(here(make("finetune", run, made | {"model": base})) / "metrics.json")
    assert asked == [2, 2, 2]
    measured = [epoch["validation"] for epoch in found["epochs"]]
    assert measured[2]["bits_per_byte"] < measured[1]["bits_per_byte"], "by these the last epoch would be kept"
    assert measured[1]["rouge_l"] > measured[0]["rouge_l"]
    assert found["best_epoch"] == 2


@pytest.mark.parametrize(("task", "metric"), [("generation", "bits_per_byte"), ("dialog", "bits_per_byte")])
def test_a_task_that_is_decided_by_bits_per_byte_does_not_take_it(task, metric):
    gate = {"metric": metric, "at_most": 9.0}
    told = tomllib.loads(RECIPE) | WRITER | {"task": task, "gates": [gate], "finetune": {"validation_texts": 9}}
    with pytest.raises(Refused, match=rf"validation_texts: epochs of {task} are compared by {metric} as it is"):
        parse_recipe(told, "writer")


def test_a_task_that_is_learned_beside_does_not_choose_the_epoch_and_may_be_decided_by_bits_per_byte():
    beside = [{"task": "generation", "examples": "tasks/further"}]
    gate = {"metric": "rouge_l", "at_least": 0.0}
    told = tomllib.loads(RECIPE) | WRITER | {"task": "summarisation", "gates": [gate]}
    found = parse_recipe(told | {"finetune": {"validation_texts": 9, "auxiliary": beside}}, "writer")
    assert found.finetune.validation_texts == 9


def test_a_search_compares_its_trials_by_the_same_metric():
    from pipelines.examples import validated_by

    gate = {"metric": "chrf", "at_least": 0.0}
    told = tomllib.loads(RECIPE) | WRITER | {"task": "translation", "gates": [gate]}
    assert validated_by(parse_recipe(told, "writer")) == "bits_per_byte"
    assert validated_by(parse_recipe(told | {"finetune": {"validation_texts": 9}}, "writer")) == "chrf"
