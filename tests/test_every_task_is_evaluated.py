"""Every task goes from its rows to a report with its rivals, and a served model answers the report's examples alike."""

from pathlib import Path

import pytest

from models.tasks import TASKS
from pipelines.artifact import read_json
from pipelines.packet import examples
from pipelines.steps import make
from tests.evidence import artifact
from tests.small_evaluation import base_of, dataset, frozen, models, rows_of
from tests.small_evaluation import settings as settings  # noqa: PLC0414 - the fixture

pytestmark = pytest.mark.slow


# Every task with the usual kind of model, and what is written from a text also with one that reads before it writes.
KINDS_OF = [(task, task.objective) for task in TASKS.values()]
KINDS_OF += [(TASKS[name], "denoising") for name in ("summarisation", "translation")]


@pytest.mark.parametrize(("task", "objective"), KINDS_OF, ids=[f"{task.name}-{kind}" for task, kind in KINDS_OF])
def test_from_rows_to_a_report_whose_examples_the_model_answers_when_served(task, objective, settings, tmp_path):
    from models.scratch import KINDS
    from models.serving import load

    base, tuned = models(task, tmp_path, objective)
    run = frozen(
        settings,
        task=task.name,
        pretrain={"objective": objective, "tokens": 1000},
        base={"model": {"scratch": f"micro-{KINDS[objective]}"}},
        gates=[{"metric": task.primary, "above": "baseline"}],
    )
    made = {"dataset": artifact(settings, run, "dataset", {}, dataset(rows_of(task)))}
    made["base"] = base_of(settings, run, made["dataset"], base)
    made["adapted"] = artifact(settings, run, "pretrain", made, base)
    inputs = {"dataset": made["dataset"], "model": made["adapted"]}
    made["tuned"] = artifact(settings, run, "finetune", inputs, tuned)
    folder = Path(make("evaluate", run, made))
    report = read_json(folder / "report.json")
    assert set(report["metrics"]) <= set(task.measures)
    assert task.primary in report["metrics"]
    assert report["baselines"]
    assert set(task.rivals) <= set(report["baselines"])
    assert bool(report["explanations"]) == (task.answer != "click")
    shown = report["examples"][0]
    column = "asked" if task.ask else task.texts[0]
    assert shown[column].split()[0] in (folder / "report.html").read_text()
    assert column in examples(report["examples"])
    asked = {name: shown[name] for name in task.columns if name in shown}
    answer = load(tmp_path / "tuned", task.name)([asked])[0]
    assert answer["prediction"] == shown["prediction"]
