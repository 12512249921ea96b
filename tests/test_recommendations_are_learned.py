"""A trained recommender weighs text with counts, beats popularity, and is served from its folder alone."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from pipelines.recipe_file import load_recipe, parse_recipe
from pipelines.settings import ROOT
from pipelines.steps import Work
from tests.toy_models import TEXTS
from tests.training_work import work_of, write_splits

pytestmark = pytest.mark.slow


def rows(split: str) -> list[dict[str, Any]]:
    """Half of the users like the first text, the others the second; nothing else tells a click."""
    draw, found = random.Random(split), []
    start = {"train": 0, "validation": 10_000, "test": 20_000}[split]
    for number in range(240 if split == "train" else 80):
        user, kind = draw.randrange(8), draw.randrange(2)
        row = {"id": f"{split}-{number}", "user_id": f"u{user}", "item_id": f"i{kind}-{draw.randrange(4)}"}
        row |= {"title": TEXTS[kind * 40].split()[0], "text": TEXTS[kind * 40], "rating": 3.0}
        found.append(row | {"label": int(user % 2 == kind), "timestamp": start + number})
    return found


def dataset(folder: Path) -> dict[str, Path]:
    from models import backbone
    from models.scratch import scratch

    found = {split: rows(split) for split in ("train", "validation", "test")}
    write_splits(folder / "dataset" / "tasks" / "summary_check", **found)
    (folder / "base" / "model").mkdir(parents=True)
    backbone.save(*scratch("micro-encoder", TEXTS, 7), folder / "base" / "model")
    return {"dataset": folder / "dataset", "model": folder / "base", "base": folder / "base"}


def work(folder: Path, inputs: dict[str, Path]) -> Work:
    shipped = load_recipe(ROOT / "pipelines" / "recipes" / "summary_checker.toml").model_dump(mode="json")
    base = {"model": {"scratch": "micro-encoder"}, "tokens": 3000}
    tiny = {"epochs": 2, "max_length": 48, "batch_size": 16, "learning_rate": 3e-3}
    changes = {"task": "recommendation", "base": base, "finetune": tiny, "gates": [{"metric": "auc", "at_least": 0.1}]}
    return work_of(parse_recipe(shipped | changes, "clicks.toml"), folder, inputs)


def test_a_trained_model_beats_popularity_and_is_served_from_its_folder(tmp_path):
    from models.model_files import ALLOWED
    from models.serving import load
    from pipelines.finetune import finetune
    from pipelines.score import baselines, score

    made = dataset(tmp_path)
    finetune(work(tmp_path / "finetune", made))
    tuned = tmp_path / "finetune" / "out"
    score(work(tmp_path / "score", made | {"model": tuned}))
    baselines(work(tmp_path / "baselines", made))
    ours, theirs = (json.loads((tmp_path / n / "out" / "metrics.json").read_text()) for n in ("score", "baselines"))
    assert ours["auc"] > theirs["popularity"]["auc"] + 0.1
    assert {path.suffix for path in (tuned / "model").iterdir()} <= ALLOWED
    lines = (tmp_path / "score" / "out" / "predictions.jsonl").read_text().splitlines()
    served = load(tuned / "model", "recommendation")
    for row, line in list(zip(rows("test"), lines, strict=True))[:5]:
        told = json.loads(line)
        assert served([row])[0]["prediction"] == told["prediction"]
        assert served([row])[0]["probability"] == pytest.approx(told["probability"], abs=1e-5)
    stranger = served([{"title": "New", "text": "Never seen", "user_id": "nobody", "item_id": "nothing"}])[0]
    assert 0 < stranger["probability"] < 1
