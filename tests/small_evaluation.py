"""What evaluations of tiny models are made of: data, models as trainings leave them, and a frozen run."""

import json
import tomllib
from pathlib import Path

import pytest

from models.tasks import TASKS
from pipelines.recipe_file import parse_recipe
from pipelines.run import freeze, new_run
from pipelines.settings import read_settings
from tests.evidence import MD5, RECIPE, artifact
from tests.toy_models import TEXTS


def corpus(name):
    for number, text in enumerate(TEXTS):
        split = "heldout" if number % 5 == 0 else "train"
        yield {"id": f"{name}-{number}", "text": text, "lang": "en", "domain": name, "split": split}


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def dataset(rows):
    files = {f"tasks/summary_check/{s}.jsonl": lines(rows(s)) for s in ("train", "validation", "test")}
    return files | {f"corpus/{name}.jsonl": lines(corpus(name)) for name in ("domain", "general")}


def model_files(folder: Path, domain, general):
    """A model folder and the metrics that its training would have written."""
    found = {f"model/{path.name}": path for path in sorted(folder.iterdir())}
    metrics = {"bits_per_byte": {"domain": domain, "general": general}}
    curve = lines({"step": n, "tokens": n * 100, "loss": 5 / n, "learning_rate": 1e-3} for n in range(1, 500))
    return {**found, "metrics.json": json.dumps(metrics), "curve.jsonl": curve}


def frozen(settings, run_id="r1", md5=MD5, **changes):
    return freeze(new_run(parse_recipe(tomllib.loads(RECIPE) | changes, "test"), run_id, md5, "engineer"), settings)


def base_of(settings, run, data, files):
    """A base model as made after the data was validated."""
    validation = artifact(settings, run, "validate", {"dataset": data}, {"validation.json": "{}"})
    return artifact(settings, run, "base", {"dataset": data, "validation": validation}, files)


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
            if task.format == "generation":
                texts |= {"attributes": [text.split()[0]]} if number % 2 else {}
            if task.answer == "labels":
                texts |= {"labels": [text.split()[0], text.split()[2]]}
            if task.answer == "click":
                texts |= {"user_id": f"u{number % 3}", "item_id": f"i{number}", "label": number % 2}
                texts["timestamp"] = 1_000_000 + number
            yield {"id": f"{split}-{number}", "lang": "en", **texts}

    return rows


def models(task, folder, objective=None):
    """The files of a base and of a tuned model, of the kind that an objective trains: the task's usual one."""
    from models import backbone
    from models.ranking import write_answers
    from models.scratch import KINDS, scratch

    kind = f"micro-{KINDS[objective or task.objective]}"
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
