"""What is exported is judged by the recipe's own gates, as the model it was made from was."""

from pathlib import Path

import pytest

from pipelines.artifact import read_json, verify
from pipelines.run import read_run
from pipelines.steps import make
from tests.evidence import artifact
from tests.small_evaluation import base_of, dataset, frozen, lines, models, rows_of
from tests.small_evaluation import settings as settings  # noqa: PLC0414 - the fixture

pytestmark = pytest.mark.slow


def report_of(settings, folder, gates, of="classification", **others):
    """A run and the report on a model that was trained and evaluated."""
    from models.tasks import TASKS
    from tests.toy_models import TEXTS

    task = TASKS[of]
    base, tuned = models(task, folder)
    changes = {
        "task": task.name,
        "pretrain": {"objective": task.objective, "tokens": 1000},
        "base": {"model": {"scratch": "micro-decoder" if task.answer == "text" else "micro-encoder"}},
        "gates": gates,
    }
    run = frozen(settings, **changes | others)
    first, other = (dict.fromkeys(task.inputs, text) for text in TEXTS[:2])
    case = {"name": "other", "kind": "invariance", "row": first, "variants": [other]}
    people = [
        {"id": str(n), "more": one, "less": other, "category": "any", "lang": "en"}
        for n, (one, other) in enumerate(zip(TEXTS[:20], TEXTS[20:40], strict=True))
    ]
    files = dataset(rows_of(task)) | {"cases.jsonl": lines([case]), "pairs.jsonl": lines(people)}
    made = {"dataset": artifact(settings, run, "dataset", {}, files)}
    made["base"] = base_of(settings, run, made["dataset"], base)
    made["adapted"] = artifact(settings, run, "pretrain", made, base)
    inputs = {"dataset": made["dataset"], "model": made["adapted"]}
    made["tuned"] = artifact(settings, run, "finetune", inputs, tuned)
    return read_run(run), make("evaluate", run, made)


@pytest.mark.usefixtures("fp32")
@pytest.mark.parametrize(("name", "changes"), [("retrieval", []), ("summarisation", ["spaces"])])
def test_both_variants_are_judged_by_the_gates_sealed_and_served(name, changes, settings, tmp_path, monkeypatch):
    from models.exported import load_exported
    from models.serving import load
    from models.tasks import TASKS
    from pipelines import speed, variants
    from pipelines.export import written

    monkeypatch.setattr(speed, "WRITTEN", 2)
    task = TASKS[name]
    gates = [{"metric": task.primary, "at_least": 0.0}, {"metric": task.primary, "at_least": 1.1}]
    gates += [{"metric": f"robustness_loss_{change}", "at_most": 1.0} for change in changes]
    gates += [{"metric": "behaviour_invariance", "at_least": 0.0}]
    seen = {"robustness": changes, "behaviour": ["cases.jsonl"]}
    run, report = report_of(settings, tmp_path, gates, name, evaluate=seen)
    original = variants.Original(run.model_copy(update={"run_id": "export"}), report, settings)
    found = written(original, original.inputs["tuned"], tmp_path / "out")
    assert [variant["variant"] for variant in found["variants"]] == ["onnx", "onnx int8"]
    whole, small = found["variants"]
    assert whole["agreement"] == 1
    metrics = read_json(Path(report) / "report.json")["metrics"]
    assert set(metrics) == set(whole["metrics"])
    for metric, found_there in metrics.items():
        assert whole["metrics"][metric]["value"] == pytest.approx(found_there["value"], abs=1e-3)
    assert small["bytes"] < whole["bytes"]
    wanted = [row["prediction"] for row in original.answers(original.teacher)[:2]]
    for variant in found["variants"]:
        assert [gate["outcome"] for gate in variant["gates"]] == ["pass", "fail", *["pass"] * (1 + len(changes))]
        assert 0 < variant["ms_p50"] <= variant["ms_p95"]
    served = load(tmp_path / "out" / "fp32", name, load_exported)(original.rows[:2])
    assert [row["prediction"] for row in served] == wanted
    assert "variants.json" in verify(tmp_path / "out").files
