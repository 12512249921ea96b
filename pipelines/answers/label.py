"""Tasks that answer with one of several labels: a classifier of texts, or of pairs of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from models.tasks import TASKS
from models.tasks.labels import answer_of, certainty
from models.tasks.task import Prediction, Row, Task
from pipelines.augmentation import augmented
from pipelines.errors import Refused
from pipelines.examples import Load, Rows, Training, passes, read_split, training_rows, validation
from pipelines.loop_progress import progress
from pipelines.steps import Work

Measure = Callable[[Any], dict[str, float]]


def training(work: Work, more: Sequence[Row] = ()) -> Training:
    """A classifier over the adapted model, the training rows and `more`, and the task's metrics to validate with."""
    from models import objectives

    task, settings = TASKS[work.run.recipe.task], work.run.recipe.finetune
    rows, held = training_rows(work)
    rows = [*(augmented(work, task, rows) if settings.augment else rows), *map(dict, more)]
    model, tokenizer = _classifier(work, rows)
    labels = [model.config.id2label[n] for n in range(model.config.num_labels)]
    texts, numbers = [task.read(row) for row in rows], [labels.index(row["label"]) for row in rows]
    print(f"{len(rows):,} examples, labels {', '.join(labels)}; {len(held):,} to validate", flush=True)
    measure = label_measure(task, tokenizer, held)
    if settings.contrastive:
        plan, measure = _contrastive(work, tokenizer, (texts, numbers), measure)
    else:
        plan = objectives.label_plan(tokenizer, texts, numbers, passes(work, rows))
    return model, tokenizer, plan, validation(work, measure, task.validated)


def _classifier(work: Work, rows: Rows) -> tuple[Any, Any]:
    """A new head for the labels of the training rows, or a prompt that asks for the word of each label."""
    from models.backbone import new_classifier, prompted_classifier

    task, recipe, folder = TASKS[work.run.recipe.task], work.run.recipe, work.inputs["model"] / "model"
    labels, prompt, room = {row["label"] for row in rows}, recipe.finetune.prompt, recipe.finetune.max_length
    if prompt is None:
        return new_classifier(folder, sorted(labels), recipe.seed, room, len(task.texts))
    if wordless := sorted(labels - set(prompt.words)):
        raise Refused(
            f"finetune.prompt.words has no word for the label {wordless[0]!r} of {recipe.data.examples}/train.jsonl; "
            "add one"
        )
    asked = (prompt.template, prompt.words)
    try:
        return prompted_classifier(folder, recipe.pretrain.objective, asked, task.texts, room)
    except ValueError as error:
        raise Refused(f"finetune.prompt: {error}") from None


def _contrastive(
    work: Work, tokenizer: Any, examples: tuple[list[tuple[str, ...]], list[int]], measure: Measure
) -> tuple[Any, Measure]:
    """Pairs of the examples, and a measure that first fits the head on them: the best epoch is kept with its head."""
    from models import few_shot

    try:
        plan = few_shot.pair_plan(tokenizer, *examples, work.run.recipe.finetune.contrastive, passes(work))
    except ValueError as error:
        raise Refused(f"finetune.contrastive: {error}") from None

    def fitted(model: Any) -> dict[str, float]:
        few_shot.fit_head(model, tokenizer, *examples)
        return measure(model)

    return plan, fitted


def label_measure(task: Task, tokenizer: Any, rows: Rows) -> Measure:
    from models.predict import classify

    texts = [task.read(row) for row in rows]

    def measure(model: Any) -> dict[str, float]:
        answers = [answer_of(found) for found in classify(model, tokenizer, texts)]
        told = [{"label": row["label"], **answer} for row, answer in zip(rows, answers, strict=True)]
        return {n: round(v, 6) for n, v in task.metrics(told).items()}

    return measure


def finish(_: Work) -> None:
    """Nothing: the weights say all."""


def beside(_: Work) -> dict[str, Any]:
    """Nothing: the labels are the model's."""
    return {}


def predictions(task: Task, folder: Path, rows: Sequence[Row], load: Load | None = None) -> list[dict[str, Any]]:
    """The label that each row gets, and how sure the model is of it."""
    from models.backbone import load_classifier
    from models.predict import classify

    model, tokenizer = (load or load_classifier)(folder)
    asked = [task.read(row) for row in rows]
    answers = [answer_of(found) for found in classify(model, tokenizer, asked, progress("texts"))]
    return [
        {"id": row["id"], "label": row["label"], **answer, "probability": round(answer["probability"], 6)}
        for row, answer in zip(rows, answers, strict=True)
    ]


def rivals(work: Work) -> dict[str, Callable[[Sequence[Row], Sequence[Row]], list[dict[str, Any]]]]:
    """What can be had without a fine-tuned model."""
    from models import baselines as trivial

    if TASKS[work.run.recipe.task].texts == ("text",):
        return {"tfidf": trivial.tfidf}
    found: dict[str, Callable[[Sequence[Row], Sequence[Row]], list[dict[str, Any]]]] = {
        "overlap_tfidf": trivial.overlap
    }
    if work.run.recipe.pretrain.objective == "masked":
        embed = frozen_encoder(work)
        # One number is fitted, so the small split is enough; reading the large one would take minutes.
        held = read_split(work, "validation")
        found["frozen_cosine"] = lambda _, test: trivial.cosine(held, test, embed)
    return found


def frozen_encoder(work: Work) -> Any:
    """The base as a function from texts to their mean states, before it saw the domain or the task."""
    from models.backbone import load_encoder
    from models.predict import embed

    model, tokenizer = load_encoder(work.inputs["base"] / "model")
    return lambda texts: embed(model, tokenizer, texts, progress("texts"))


def mistakes(_: Task, predictions: Sequence[Prediction]) -> list[int]:
    """Positions of the wrong answers, the surest first."""
    confidence, correct = certainty(predictions)
    wrong = [n for n in range(len(predictions)) if not correct[n]]
    return sorted(wrong, key=lambda n: (-confidence[n], predictions[n]["id"]))


def shown(task: Task, row: Row, ours: Prediction, theirs: Prediction | None) -> dict[str, Any]:
    """How sure both were, and the right label."""
    said = {"probability": ours["probability"], "champion_probability": theirs["probability"] if theirs else None}
    known = [p["probability_of"] for p in (ours, theirs) if p and "probability_of" in p]
    return {**said, "probability_of": sorted(set(known)), "label": row[task.target]}
