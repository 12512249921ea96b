"""A model that finds answers, small enough for a test: its recipe, its data, and what its training gets."""

from pathlib import Path
from typing import Any

import pytest

from pipelines.recipe_file import load_recipe, parse_recipe
from pipelines.settings import ROOT
from pipelines.steps import Work
from tests.toy_models import TEXTS, masked_bert
from tests.training_work import work_of, write_splits


def recipe(tmp_path: Path, **finetune: Any) -> Any:
    """A recipe of the task: the shipped one for pairs, turned to questions."""
    shipped = load_recipe(ROOT / "pipelines" / "recipes" / "summary_checker.toml").model_dump(mode="json")
    base = {"model": {"scratch": "micro-encoder"}, "tokens": 3000}
    tiny = {"epochs": 6, "max_length": 48, "batch_size": 16, "learning_rate": 3e-3} | finetune
    changes = {"task": "retrieval", "base": base, "finetune": tiny, "gates": [{"metric": "recall_1", "at_least": 0.1}]}
    return parse_recipe(shipped | changes, "answers.toml")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Data whose questions share no word with their answers, and an encoder that has seen neither."""
    from models import backbone

    folder = tmp_path_factory.mktemp("made")
    words = {"table": "alpha", "bucket": "beta", "queue": "gamma", "key": "delta", "role": "zeta", "alias": "eta"}
    rows = [
        {"id": str(n), "question": text, "answer": words[text.split()[2]], "lang": "en", "negative": "wrong"}
        for n, text in enumerate(TEXTS)
    ]
    parts = {"train": rows[::2], "validation": rows[1::4], "test": rows[3::4]}
    write_splits(folder / "dataset" / recipe(folder).data.examples, **parts)
    # A BERT: a prefix goes before the layers of a model with a cache alone.
    (folder / "base" / "model").mkdir(parents=True)
    backbone.save(*masked_bert([*TEXTS, *words.values(), "wrong"] * 2), folder / "base" / "model")
    return {"dataset": folder / "dataset", "model": folder / "base", "base": folder / "base"}


def work(folder: Path, inputs: dict[str, Path], **finetune: Any) -> Work:
    return work_of(recipe(folder, **finetune), folder, inputs)
