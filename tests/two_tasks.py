"""A recipe with two tasks: what is done in a text, and its place, with an encoder and rows for both."""

import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pipelines.recipe_file import load_recipe
from pipelines.run import Run, new_run
from pipelines.settings import ROOT
from pipelines.steps import Work
from tests.toy_models import TEXTS
from tests.training_work import does, work_of, write_splits

MIXED = random.Random(5).sample(TEXTS, len(TEXTS))
RECIPES = ROOT / "pipelines" / "recipes"
PLACE = {"task": "classification", "examples": "tasks/place"}
ENCODER = {
    "task": "classification",
    "gates": [],
    "finetune.epochs": 8,
    "finetune.max_length": 32,
    "finetune.batch_size": 8,
    "finetune.learning_rate": 3e-3,
    "finetune.auxiliary": [PLACE],
}


def place(text: str) -> str:
    return text.split()[5].rstrip(".")


def rows(task: str, texts: list[str]) -> list[dict[str, Any]]:
    """Rows of a task whose answers stand in the texts: what is done, and where."""
    found: list[dict[str, Any]] = []
    for n, (one, other) in enumerate(pairwise([*texts, texts[0]])):
        row = {
            "classification": {"text": one, "label": place(one)},
            "multi_label": {"text": one, "labels": [place(one), does(one)]},
            "pair_classification": {"text_a": one, "text_b": other, "label": str(does(one) == does(other))},
            "retrieval": {"question": one, "answer": place(one)},
            "recommendation": {
                "user_id": f"u{n % 3}",
                "item_id": f"i{n}",
                "title": "A text",
                "rating": 4.0,
                "text": one,
                "timestamp": 1_000_000 + n,
                "label": int(place(one) == "account"),
            },
        }[task]
        found.append({"id": str(n), "lang": "en", **row})
    return found


def work(folder: Path, changes: dict[str, Any], recipe: str = "summary_checker") -> Work:
    """What a fine-tuning gets: the recipe's own task asks what is done in a text, "tasks/place" for its place."""
    values = load_recipe(RECIPES / f"{recipe}.toml", changes)
    shared = folder.parent
    return work_of(values, folder, {"dataset": shared / "dataset", "model": shared / "base"})


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    """An encoder, examples of what is done, and more examples of the place."""
    from models import backbone
    from models.scratch import scratch

    own = [{"id": str(n), "text": text, "label": does(text), "lang": "en"} for n, text in enumerate(MIXED)]
    write_splits(tmp_path / "dataset/tasks/summary_check", train=own[:60], validation=own[60:90])
    further = rows("classification", MIXED)
    write_splits(tmp_path / "dataset/tasks/place", train=further[:90], validation=further[90:])
    backbone.save(*scratch("micro-encoder", TEXTS * 3, 7), tmp_path / "base" / "model")
    return tmp_path


def run_of(changes: dict[str, Any]) -> Run:
    return new_run(load_recipe(RECIPES / "summary_checker.toml", ENCODER | changes), "test", "0" * 32, "tester")
