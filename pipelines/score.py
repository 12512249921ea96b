"""The steps that answer the test set: with a model, and with what can be had without it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.tasks import TASKS
from models.tasks.labels import answer_of
from models.tasks.task import Task
from pipelines.artifact import write_json
from pipelines.loop_progress import progress
from pipelines.rows import read_rows
from pipelines.steps import Work

if TYPE_CHECKING:
    from models.baselines import Writer

Rows = Sequence[Mapping[str, Any]]


def score(work: Work) -> None:
    """Answer every test example with the model; write predictions.jsonl in file order, and metrics.json."""
    import torch

    torch.set_num_threads(work.settings.threads)
    task = TASKS[work.run.recipe.task]
    rows = read_split(work, "test")
    print(f"answering {len(rows):,} test examples", flush=True)
    answer = _labels if task.answer == "label" else _texts
    predictions = answer(task, work.inputs["model"] / "model", rows)
    write_predictions(work.out / "predictions.jsonl", predictions)
    write_json(work.out / "metrics.json", rounded(task.metrics(predictions)))
    print(_spoken("the model", task.metrics(predictions)), flush=True)


def baselines(work: Work) -> None:
    """Answer the test set the trivial ways; write predictions_NAME.jsonl for each, and metrics.json."""
    import torch

    torch.set_num_threads(work.settings.threads)
    task = TASKS[work.run.recipe.task]
    metrics = {}
    for name, answer in _baselines(work).items():
        predictions = answer(read_split(work, "train"), read_split(work, "test"))
        write_predictions(work.out / f"predictions_{name}.jsonl", predictions)
        metrics[name] = rounded(task.metrics(predictions))
        print(_spoken(f"baseline {name}", metrics[name]), flush=True)
    write_json(work.out / "metrics.json", metrics)


def read_split(work: Work, split: str) -> list[dict[str, Any]]:
    """The rows of the recipe's train, validation or test examples."""
    return read_rows(work.inputs["dataset"] / work.run.recipe.data.examples / f"{split}.jsonl")


def write_predictions(path: Path, predictions: Rows) -> None:
    """Write one prediction a line."""
    lines = (json.dumps(row, ensure_ascii=False, sort_keys=True, allow_nan=False) for row in predictions)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def rounded(metrics: Mapping[str, float]) -> dict[str, float]:
    """Six digits: more than any test set supports, and fewer than the noise of the last bit."""
    return {name: round(value, 6) for name, value in metrics.items()}


def _labels(task: Task, folder: Path, rows: Rows) -> list[dict[str, Any]]:
    from models.backbone import load_classifier
    from models.predict import classify

    model, tokenizer = load_classifier(folder)
    asked = [task.read(row) for row in rows]
    answers = [answer_of(found) for found in classify(model, tokenizer, asked, progress("texts"))]
    return [
        {"id": row["id"], "label": row["label"], **answer, "probability": round(answer["probability"], 6)}
        for row, answer in zip(rows, answers, strict=True)
    ]


def _texts(task: Task, folder: Path, rows: Rows) -> list[dict[str, Any]]:
    from models.backbone import load_causal
    from models.generate import generate
    from models.tasks.texts import judged

    model, tokenizer = load_causal(folder)
    written = generate(model, tokenizer, [task.asked(row) for row in rows], progress("texts"))
    likely = _likelihoods(task, model, tokenizer, rows)
    return [known | found for known, found in zip(likely, judged(task, rows, written), strict=True)]


def _likelihoods(task: Task, model: Any, tokenizer: Any, rows: Rows) -> list[dict[str, Any]]:
    """How many bits the model needs for each row's reference."""
    from models.generate import completion_bits

    prompts, references = [task.asked(row) for row in rows], [row[task.target] for row in rows]
    bits = completion_bits(model, tokenizer, prompts, references)
    return [
        {"id": row["id"], "reference": text, "bits": round(needed, 4), "bytes": len(text.encode())}
        for row, text, needed in zip(rows, references, bits, strict=True)
    ]


def _baselines(work: Work) -> dict[str, Callable[[Rows, Rows], list[dict[str, Any]]]]:
    from models import baselines as trivial

    task = TASKS[work.run.recipe.task]
    if task.answer == "text":
        writers = {name: partial(_written, task, trivial.WRITERS[name]) for name in task.rivals}
        return writers | {"frozen_base": partial(_known_to, task, work.inputs["base"] / "model")}
    if task.texts == ("text",):
        return {"tfidf": trivial.tfidf}
    found: dict[str, Callable[[Rows, Rows], list[dict[str, Any]]]] = {"overlap_tfidf": trivial.overlap}
    if work.run.recipe.pretrain.objective == "masked":
        embed = _frozen_encoder(work.inputs["base"] / "model")
        # One number is fitted, so the small split is enough; reading the large one would take minutes.
        validation = read_split(work, "validation")
        found["frozen_cosine"] = lambda _, test: trivial.cosine(validation, test, embed)
    return found


def _written(task: Task, writer: Writer, train: Rows, test: Rows) -> list[dict[str, Any]]:
    from models.tasks.texts import judged

    return judged(task, test, writer(task, train, test))


def _known_to(task: Task, folder: Path, _: Rows, test: Rows) -> list[dict[str, Any]]:
    """What the base model knew of the references before it saw the domain or the task."""
    from models.backbone import load_causal

    return _likelihoods(task, *load_causal(folder), test)


def _frozen_encoder(folder: Path) -> Any:
    from models.backbone import load_encoder
    from models.predict import embed

    model, tokenizer = load_encoder(folder)
    return lambda texts: embed(model, tokenizer, texts, progress("texts"))


def _spoken(who: str, metrics: Mapping[str, float]) -> str:
    return f"{who}: " + ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
