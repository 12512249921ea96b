"""Every task goes from its rows to a report with its rivals, and a served model answers the report's examples alike."""

from pathlib import Path

import pytest

from models.tasks import TASKS
from pipelines.artifact import read_json
from pipelines.packet import examples
from pipelines.settings import read_settings
from pipelines.steps import make
from tests.evidence import artifact
from tests.small_evaluation import base_of, dataset, frozen, model_files
from tests.toy_models import TEXTS

pytestmark = pytest.mark.slow


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SCRIPTORIUM_THREADS", "1")
    return read_settings()


def rows_of(task):
    """Rows of a task whose answer stands in their text: the first word."""

    def rows(split):
        for number, text in enumerate(TEXTS[::5]):
            texts = dict.fromkeys(task.inputs, text) | {task.target: text.split()[0]}
            if task.format == "dialog":
                turns = [{"role": "user", "content": text}, {"role": "assistant", "content": text.split()[0]}]
                texts = {"messages": turns, "context": [text]}
            if task.answer == "labels":
                texts |= {"labels": [text.split()[0], text.split()[2]]}
            if task.answer == "click":
                texts |= {"user_id": f"u{number % 3}", "item_id": f"i{number}", "label": number % 2}
                texts["timestamp"] = 1_000_000 + number
            yield {"id": f"{split}-{number}", "lang": "en", **texts}

    return rows


def models(task, folder):
    """The files of a base and of a tuned model."""
    from models import backbone
    from models.ranking import write_answers
    from models.scratch import scratch

    kind = "micro-encoder" if task.objective == "masked" else "micro-decoder"
    for name in ("base", "tuned"):
        (folder / name).mkdir()
    model, tokenizer = scratch(kind, TEXTS, 7)
    backbone.save(model, tokenizer, folder / "base")
    if task.answer == "label":
        labels = sorted({text.split()[0] for text in TEXTS})
        model, tokenizer = backbone.new_classifier(folder / "base", labels, 7, 64, len(task.texts))
    if task.answer == "labels":
        from models.predict import SEVERAL
        from models.threshold import write_threshold

        labels = sorted({text.split()[place] for text in TEXTS for place in (0, 2)})
        model, tokenizer = backbone.new_classifier(folder / "base", labels, 7, 64, 1)
        model.config.problem_type = SEVERAL
        write_threshold(0.5, folder / "tuned")
    if task.answer == "passage":
        write_answers(dict.fromkeys(text.split()[0] for text in TEXTS), folder / "tuned")
    if task.answer == "click":
        model, tokenizer = recommender(folder)
    backbone.save(model, tokenizer, folder / "tuned")
    return [model_files(folder / name, 3.0, 3.0) for name in ("base", "tuned")]


def recommender(folder):
    """A new head over the base, with what is known of users and items, and a ranker, beside where it will lie."""
    import numpy as np

    from models import backbone
    from models.recommend import FEATURES, Known, Ranker
    from models.tasks.clicks import example

    Known.of(map(example, rows_of(TASKS["recommendation"])("train"))).write(folder / "tuned")
    found = np.random.default_rng(7).normal(size=(40, len(FEATURES)))
    Ranker.fitted(found, [row[0] > 0 for row in found]).write(folder / "tuned")
    return backbone.new_classifier(folder / "base", ["0", "1"], 7, 64, 2)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_from_rows_to_a_report_whose_examples_the_model_answers_when_served(task, settings, tmp_path):
    from models.serving import load

    base, tuned = models(task, tmp_path)
    run = frozen(
        settings,
        task=task.name,
        pretrain={"objective": task.objective, "tokens": 1000},
        base={"model": {"scratch": "micro-encoder" if task.objective == "masked" else "micro-decoder"}},
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
    shown = report["examples"][0]
    column = "prompt" if task.ask else task.texts[0]
    assert shown[column].split()[0] in (folder / "report.html").read_text()
    assert column in examples(report["examples"])
    asked = {name: shown[name] for name in task.columns}
    answer = load(tmp_path / "tuned", task.name)([asked])[0]
    assert answer["prediction"] == shown["prediction"]
