"""What evaluations of tiny models are made of: data, models as trainings leave them, and a frozen run."""

import json
import tomllib
from pathlib import Path

from pipelines.recipe_file import parse_recipe
from pipelines.run import freeze, new_run
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
