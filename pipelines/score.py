"""The steps that answer the test set: with a model, and with what can be had without it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models.tasks import TASKS
from pipelines.answers import kind_of
from pipelines.artifact import write_json
from pipelines.examples import read_split
from pipelines.steps import Work

Rows = Sequence[Mapping[str, Any]]


def score(work: Work) -> None:
    """Answer every test example with the model; write predictions.jsonl in file order, and metrics.json."""
    import torch

    torch.set_num_threads(work.settings.threads)
    task = TASKS[work.run.recipe.task]
    rows = read_split(work, "test")
    print(f"answering {len(rows):,} test examples", flush=True)
    kind = kind_of(task)
    predictions = kind.predictions(task, work.inputs["model"] / "model", rows, **kind.beside(work))
    write_predictions(work.out / "predictions.jsonl", predictions)
    write_json(work.out / "metrics.json", rounded(task.metrics(predictions)))
    print(_spoken("the model", task.metrics(predictions)), flush=True)


def baselines(work: Work) -> None:
    """Answer the test set the trivial ways; write predictions_NAME.jsonl for each, and metrics.json."""
    import torch

    torch.set_num_threads(work.settings.threads)
    task = TASKS[work.run.recipe.task]
    metrics = {}
    for name, answer in kind_of(task).rivals(work).items():
        predictions = answer(read_split(work, "train"), read_split(work, "test"))
        write_predictions(work.out / f"predictions_{name}.jsonl", predictions)
        metrics[name] = rounded(task.metrics(predictions))
        print(_spoken(f"baseline {name}", metrics[name]), flush=True)
    write_json(work.out / "metrics.json", metrics)


def write_predictions(path: Path, predictions: Rows) -> None:
    """Write one prediction a line."""
    lines = (json.dumps(row, ensure_ascii=False, sort_keys=True, allow_nan=False) for row in predictions)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def rounded(metrics: Mapping[str, float]) -> dict[str, float]:
    """Six digits: more than any test set supports, and fewer than the noise of the last bit."""
    return {name: round(value, 6) for name, value in metrics.items()}


def _spoken(who: str, metrics: Mapping[str, float]) -> str:
    return f"{who}: " + ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
