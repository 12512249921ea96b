"""What is exported is judged by the recipe's own gates, as the model it was made from was."""

from pathlib import Path

import pytest

from pipelines.artifact import read_json, verify
from pipelines.run import read_run
from pipelines.steps import make
from tests.evidence import artifact
from tests.small_evaluation import base_of, dataset, frozen
from tests.test_every_task_is_evaluated import models, rows_of
from tests.test_every_task_is_evaluated import settings as settings  # noqa: PLC0414 - the fixture

pytestmark = pytest.mark.slow


def report_of(settings, folder, gates, **others):
    """A run and the report on a classifier that was trained and evaluated."""
    from models.tasks import TASKS

    task = TASKS["classification"]
    base, tuned = models(task, folder)
    changes = {
        "task": task.name,
        "pretrain": {"objective": "masked", "tokens": 1000},
        "base": {"model": {"scratch": "micro-encoder"}},
        "gates": gates,
    }
    run = frozen(settings, **changes | others)
    made = {"dataset": artifact(settings, run, "dataset", {}, dataset(rows_of(task)))}
    made["base"] = base_of(settings, run, made["dataset"], base)
    made["adapted"] = artifact(settings, run, "pretrain", made, base)
    inputs = {"dataset": made["dataset"], "model": made["adapted"]}
    made["tuned"] = artifact(settings, run, "finetune", inputs, tuned)
    return read_run(run), make("evaluate", run, made)


def test_both_files_are_judged_by_the_gates_and_sealed(settings, tmp_path):
    from pipelines.export import written
    from pipelines.variants import Original

    gates = [{"metric": "accuracy", "at_least": 0.0}, {"metric": "accuracy", "at_least": 1.0}]
    run, report = report_of(settings, tmp_path, gates)
    original = Original(run.model_copy(update={"run_id": "export"}), report, settings)
    found = written(original, original.inputs["tuned"], tmp_path / "out")
    assert [variant["variant"] for variant in found["variants"]] == ["onnx", "onnx int8"]
    whole, small = found["variants"]
    assert whole["agreement"] == 1
    assert whole["metrics"]["accuracy"] == read_json(Path(report) / "report.json")["metrics"]["accuracy"]
    assert small["bytes"] < whole["bytes"]
    for variant in found["variants"]:
        assert [gate["outcome"] for gate in variant["gates"]] == ["pass", "fail"]
    names = set(verify(tmp_path / "out").files)
    assert {"model.onnx", "model.int8.onnx", "labels.json", "tokenizer.json", "variants.json"} <= names
