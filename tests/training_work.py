"""What a training in a test works with: a run of a recipe, folders of its own, and rows in files."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipelines.recipe import Recipe
from pipelines.run import new_run
from pipelines.settings import read_settings
from pipelines.steps import Work


def work_of(recipe: Recipe, folder: Path, inputs: Mapping[str, Path]) -> Work:
    """A training of a recipe whose outputs, checkpoints and home go below a folder; it takes one thread."""
    for name in ("out", "checkpoints"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    settings = read_settings({"SCRIPTORIUM_HOME": str(folder / "home"), "SCRIPTORIUM_THREADS": "1"})
    run = new_run(recipe, "test", "0" * 32, "tester")
    return Work(run, inputs, folder / "out", folder / "checkpoints", settings, run_uri="")


def write_splits(folder: Path, **splits: Iterable[Mapping[str, Any]]) -> None:
    """Examples of a recipe: a file of JSON lines for each split."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in splits.items():
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")


def does(text: str) -> str:
    """Whether what one of the toy texts describes reads or writes: what most tests have a classifier learn."""
    return "write" if text.split(maxsplit=1)[0] in {"Deletes", "Creates", "Updates"} else "read"


def labelled(texts: Iterable[str]) -> list[dict[str, str]]:
    """Rows of toy texts with what they do as their label."""
    return [{"id": str(n), "text": text, "label": does(text)} for n, text in enumerate(texts)]
