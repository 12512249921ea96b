"""Tasks that answer with every label that is true of a text: a classifier that decides about each by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from models.tasks import TASKS
from models.tasks.label_sets import judged
from models.tasks.task import Prediction, Row, Task
from pipelines.augmentation import augmented
from pipelines.errors import Refused
from pipelines.examples import Load, Rows, Training, passes, read_split, training_rows, validation
from pipelines.loop_progress import progress
from pipelines.steps import Work


def training(work: Work) -> Training:
    """A new head over the encoder, every label of the training rows, and the metrics at the best threshold.

    Raises Refused when no training row has a label.
    """
    from models import objectives
    from models.backbone import new_classifier
    from models.predict import SEVERAL

    task, settings, seed = TASKS[work.run.recipe.task], work.run.recipe.finetune, work.run.recipe.seed
    rows, held = training_rows(work)
    rows = augmented(work, task, rows) if settings.augment else rows
    labels = sorted({label for row in rows for label in row["labels"]})
    if len(labels) < 2:
        path = work.inputs["dataset"] / work.run.recipe.data.examples / "train.jsonl"
        raise Refused(f"{path}: its rows have {len(labels)} different labels; two or more are needed")
    model, tokenizer = new_classifier(work.inputs["model"] / "model", labels, seed, settings.max_length, 1)
    model.config.problem_type = SEVERAL
    texts = [task.read(row) for row in rows]
    wanted = [[float(label in row["labels"]) for label in labels] for row in rows]
    plan = objectives.label_set_plan(tokenizer, texts, wanted, passes(work, rows))
    each = sum(map(sum, wanted)) / len(rows)
    print(f"{len(rows):,} examples, {len(labels)} labels, {each:.1f} a text; {len(held):,} to validate", flush=True)
    return model, tokenizer, plan, validation(work, _measure(task, tokenizer, held), task.validated)


def _measure(task: Task, tokenizer: Any, rows: Rows) -> Callable[[Any], dict[str, float]]:
    from models.predict import classify
    from models.threshold import best_threshold

    texts = [task.read(row) for row in rows]

    def measure(model: Any) -> dict[str, float]:
        chances = classify(model, tokenizer, texts)
        threshold = best_threshold(rows, chances)
        told = task.metrics(judged(rows, chances, threshold)) | {"threshold": threshold}
        return {name: round(value, 6) for name, value in told.items()}

    return measure


def finish(work: Work) -> None:
    """Lay the threshold that is best on the validation rows beside the weights."""
    from models.backbone import load_classifier
    from models.predict import classify
    from models.threshold import best_threshold, write_threshold

    task, folder, rows = TASKS[work.run.recipe.task], work.out / "model", read_split(work, "validation")
    threshold = best_threshold(rows, classify(*load_classifier(folder), [task.read(row) for row in rows]))
    write_threshold(threshold, folder)
    print(f"a label is said from a probability of {threshold:.3f} on", flush=True)


def beside(_: Work) -> dict[str, Any]:
    """Nothing: labels and threshold lie beside the weights."""
    return {}


def predictions(task: Task, folder: Path, rows: Sequence[Row], load: Load | None = None) -> list[dict[str, Any]]:
    """The labels that each row gets, and how likely each label is."""
    from models.backbone import load_classifier
    from models.predict import classify
    from models.threshold import read_threshold

    asked, pair = [task.read(row) for row in rows], (load or load_classifier)(folder)
    return judged(rows, classify(*pair, asked, progress("texts")), read_threshold(folder))


def rivals(work: Work) -> dict[str, Callable[[Sequence[Row], Sequence[Row]], list[dict[str, Any]]]]:
    """One regression for each label, whose threshold is chosen on the validation rows too."""
    from models import baselines as trivial

    held = read_split(work, "validation")
    return {"tfidf": lambda train, test: trivial.tfidf_each(train, held, test)}


def mistakes(_: Task, predictions: Sequence[Prediction]) -> list[int]:
    """Positions of the answers that are not wholly right, those with most wrong or missing labels first."""
    wrong = [len(set(found["labels"]) ^ set(found["prediction"])) for found in predictions]
    return sorted((n for n, count in enumerate(wrong) if count), key=lambda n: (-wrong[n], predictions[n]["id"]))


def shown(_: Task, row: Row, ours: Prediction, __: Prediction | None) -> dict[str, Any]:
    """The right labels, and how likely the model finds those and what it said."""
    about = {*row["labels"], *ours["prediction"]}
    chances: Mapping[str, float] = ours["probabilities"]
    return {"labels": sorted(row["labels"]), "probabilities": {n: p for n, p in chances.items() if n in about}}
