"""Tasks that answer whether a user clicks: an encoder of history and candidate, and a ranker over the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.tasks import TASKS
from models.tasks.clicks import judged
from models.tasks.task import Prediction, Row, Task
from pipelines.examples import Load, Rows, Training, passes, training_rows, validation
from pipelines.loop_progress import progress
from pipelines.steps import Work

if TYPE_CHECKING:
    from models.recommend import Known


def training(work: Work) -> Training:
    """A new head over the encoder, which compares histories with candidates, and its AUC to validate with."""
    from models import objectives
    from models.backbone import new_classifier
    from models.recommend import Known

    task, settings, seed = TASKS[work.run.recipe.task], work.run.recipe.finetune, work.run.recipe.seed
    rows, held = training_rows(work)
    known = Known.of(rows)
    model, tokenizer = new_classifier(work.inputs["model"] / "model", ["0", "1"], seed, settings.max_length, 2)
    texts, labels = [known.texts(row) for row in rows], [int(row["label"]) for row in rows]
    plan = objectives.label_plan(tokenizer, texts, labels, passes(work))
    print(f"{len(rows):,} events of {len(known.users):,} users; {len(held):,} to validate", flush=True)
    return model, tokenizer, plan, validation(work, _measure(tokenizer, known, held), task.validated)


def _measure(tokenizer: Any, known: Known, rows: Rows) -> Callable[[Any], dict[str, float]]:
    from models.metrics import auc
    from models.recommend import text_chances

    def measure(model: Any) -> dict[str, float]:
        return {
            "auc": round(auc([row["label"] == "1" for row in rows], text_chances(model, tokenizer, known, rows)), 6)
        }

    return measure


def finish(work: Work) -> None:
    """Lay what the training rows say of users and items beside the weights, and a ranker that weighs it all.

    The ranker is fitted to the validation rows, of which the encoder learned nothing.
    """
    from models.backbone import load_classifier
    from models.recommend import FEATURES, Known, Ranker, features, text_chances

    folder, (train, rows) = work.out / "model", training_rows(work)
    known = Known.of(train)
    known.write(folder)
    chances = text_chances(*load_classifier(folder), known, rows, progress("texts"))
    ranker = Ranker.fitted(features(known, rows, chances), [row["label"] == "1" for row in rows])
    ranker.write(folder)
    weights = zip(FEATURES, ranker.weights, strict=True)
    print("the ranker weighs " + ", ".join(f"{name} {weight:+.2f}" for name, weight in weights), flush=True)


def beside(_: Work) -> dict[str, Any]:
    """Nothing: what is known of users and items lies beside the weights."""
    return {}


def predictions(_: Task, folder: Path, rows: Sequence[Row], load: Load | None = None) -> list[dict[str, Any]]:
    """How likely each row is a click."""
    from models.recommend import load_recommender

    return judged(rows, load_recommender(folder, progress("texts"), load)(rows))


def rivals(work: Work) -> dict[str, Callable[[Sequence[Row], Sequence[Row]], list[dict[str, Any]]]]:
    """What can be had by counting."""
    found = {"popularity": _popularity, "item_and_user_mean": _means}
    return {name: found[name] for name in TASKS[work.run.recipe.task].rivals}


def _popularity(train: Sequence[Row], test: Sequence[Row]) -> list[dict[str, Any]]:
    from models.recommend import Known

    known = Known.of(train)
    counts = [known.popularity(row) for row in test]
    return judged(test, [count / max(1, *counts) for count in counts])


def _means(train: Sequence[Row], test: Sequence[Row]) -> list[dict[str, Any]]:
    from models.recommend import Known

    known = Known.of(train)
    return judged(test, [sum(known.means(row)) / 2 for row in test])


def mistakes(_: Task, predictions: Sequence[Prediction]) -> list[int]:
    """Positions of the wrong answers, the surest first."""
    wrong = [n for n, found in enumerate(predictions) if found["prediction"] != found["label"]]
    return sorted(wrong, key=lambda n: (-abs(predictions[n]["probability"] - 0.5), predictions[n]["id"]))


def shown(task: Task, row: Row, ours: Prediction, theirs: Prediction | None) -> dict[str, Any]:
    """How likely both found a click, and whether there was one."""
    said = {"probability": ours["probability"], "champion_probability": theirs["probability"] if theirs else None}
    return {**said, "label": row[task.target]}
