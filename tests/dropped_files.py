"""Files of a small product, as an engineer drops them into a folder, and the recipe that learns from them."""

import json
import os
import random

import pytest

from pipelines.ingest import ingest
from pipelines.recipe_file import load_recipe
from pipelines.settings import ROOT, read_settings
from tests.versioned_data import use

WORDS = (ROOT / "LICENSE").read_text().lower().split()
TRAIN, TEST, CORPUS = "tasks/mine/train.jsonl", "tasks/mine/test.jsonl", "corpus/mine.jsonl"


def said(seed, words):
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def example(name, **other):
    row = {"id": name, "prompt": said(f"p {name}", 12), "completion": said(f"c {name}", 6), "lang": "en"}
    return row | other


def passage(name, **other):
    return {"id": name, "text": said(f"t {name}", 40), "lang": "en", "domain": "law"} | other


def drop(path, rows):
    """JSON lines that were not written just now; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    os.utime(path, (1e9, 1e9))
    return path


def drop_all(folder, rows=20):
    """A first delivery: a corpus and the three splits."""
    for split in ("train", "validation", "test"):
        drop(folder / split / "first.jsonl", [example(f"{split}-{n}") for n in range(rows)])
    texts = [passage(f"c-{n}", split="heldout" if n % 5 == 0 else "train") for n in range(rows)]
    drop(folder / "corpus" / "first.jsonl", texts)
    return folder


RECIPE = """
name = "mine"
description = "Goes on from a prompt"
task = "generation"

[data]
corpus = "corpus/mine.jsonl"
examples = "tasks/mine"
replay = {{ corpus = "{replay}", share = 0.1 }}
on_conflict = "{on_conflict}"

[base]
model = {{ scratch = "tiny-decoder" }}
tokens = 20_000

[pretrain]
objective = "causal"
tokens = 20_000

[review]
reviewers = ["reviewer"]
"""


def recipe_in(folder, extra="", on_conflict="refuse", replay="corpus/mine.jsonl"):
    """The recipe `mine`, a file in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mine.toml").write_text(RECIPE.format(on_conflict=on_conflict, replay=replay) + extra)
    return load_recipe(folder / "mine.toml")


@pytest.fixture
def settings(tmp_path, monkeypatch):
    use(monkeypatch, tmp_path)
    return read_settings()


@pytest.fixture
def folder(tmp_path):
    return drop_all(tmp_path / "in")


@pytest.fixture
def take_in(tmp_path, settings):
    """Ingest a source for the recipe `mine`."""
    known = recipe_in(tmp_path / "recipes")

    def run(source, recipe=known, **options):
        return ingest(str(source), recipe, settings, say=lambda _: None, **options)

    return run


def findings(outcome):
    return {f.check: f for f in outcome.result.findings if f.severity == "reject"}


def places(finding):
    return {(place.file, place.line) for place in finding.examples}
