"""A model as MLflow serves it: loaded from code, and only when every byte is the one its manifest names."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
from mlflow.models import set_model  # noqa: TID253 - MLflow itself loads this file
from mlflow.pyfunc import PythonModel  # noqa: TID253

FOLDER = "model/"
# How the model of a folder is read, with its tokenizer.
Load = Callable[[Path], tuple[Any, Any]]


class ServedModel(PythonModel):  # type: ignore[misc]
    """Rows of the task in, one record for each row out."""

    def load_context(self, context: Any) -> None:
        """Verify the model's files, then load them. Raises ValueError naming the first file that is not as promoted."""
        # The package of which this file is a copy, before any other `models`; it is imported only when it is needed.
        sys.path.insert(0, context.artifacts["code"])
        folder = Path(context.artifacts["model"])
        verify_model(folder, Path(context.artifacts["manifest"]))
        self.answer = load(folder, str(context.model_config["task"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> list[dict[str, Any]]:  # noqa: ARG002
        """Answer each row of a data frame: {"prediction"}, with "probability" for a label, "answers" for passages.

        Of several labels, "probabilities" has all that there are.
        """
        return list(self.answer(model_input.to_dict("records")))


def verify_model(folder: Path, manifest: Path) -> None:
    """Compare every file of a model folder with its manifest. Raises ValueError naming the first that differs."""
    from models.model_files import ALLOWED

    named = {n.removeprefix(FOLDER): e for n, e in _files(manifest).items() if n.startswith(FOLDER)}
    present = {p.relative_to(folder).as_posix(): p for p in sorted(folder.rglob("*")) if not p.is_dir()}
    if "model.safetensors" not in named:
        raise ValueError(f"{manifest} names no {FOLDER}model.safetensors: this is not a model")
    for name, path in present.items():
        if name not in named:
            raise ValueError(f"refused to load {folder}: {name} is not in its manifest")
        if path.suffix not in ALLOWED or path.is_symlink():
            raise ValueError(f"refused to load {folder}: {name} is not a kind of file that a model may hold")
    for name, entry in named.items():
        if name not in present:
            raise ValueError(f"refused to load {folder}: {name} is missing")
        if _sha256(present[name]) != entry["sha256"]:
            raise ValueError(f"refused to load {folder}: {name} was changed, its sha256 is not that of its manifest")


def load(folder: Path, task_name: str, load: Load | None = None) -> Any:
    """Load the model of a task as a function from rows to records.

    `load` reads a folder that is not as trainings leave it: `models.exported.load_exported` one of ONNX graphs.
    """
    from models.tasks import TASKS

    task = TASKS[task_name]
    return LOADERS[task.answer](folder, task, load)


def _classifier(folder: Path, task: Any, load: Load | None) -> Any:
    from models.backbone import load_classifier
    from models.predict import classify
    from models.tasks.labels import answer_of

    model, tokenizer = (load or load_classifier)(folder)

    def answer(rows: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
        asked = [task.read(row) for row in rows]
        return [dict(answer_of(chances)) for chances in classify(model, tokenizer, asked)]

    return answer


def _labeller(folder: Path, task: Any, load: Load | None) -> Any:
    from models.backbone import load_classifier
    from models.predict import classify
    from models.tasks.label_sets import answer_of
    from models.threshold import read_threshold

    (model, tokenizer), threshold = (load or load_classifier)(folder), read_threshold(folder)

    def answer(rows: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [answer_of(found, threshold) for found in classify(model, tokenizer, [task.read(row) for row in rows])]

    return answer


def _writer(folder: Path, task: Any, load: Load | None) -> Any:
    from models.generate import generate
    from models.writers import load_writer

    model, tokenizer = (load or load_writer)(folder)

    def answer(rows: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [{"prediction": text} for text in generate(model, tokenizer, [task.asked(row) for row in rows])]

    return answer


def _finder(folder: Path, task: Any, load: Load | None) -> Any:
    from models.backbone import load_bi_encoder
    from models.progress import shares
    from models.ranking import best, read_answers, scorer

    pool = read_answers(folder)
    # Not kept beside the weights: the states of other weights would answer, and nobody would see it.
    score = scorer(*(load or load_bi_encoder)(folder), pool, shares("answers"))

    def answer(rows: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [_found(pool, scores, best(scores, BEST)) for scores in score([task.read(row)[0] for row in rows])]

    return answer


def _found(pool: list[str], scores: Any, places: list[int]) -> dict[str, Any]:
    answers = [{"answer": pool[place], "score": round(float(scores[place]), 6)} for place in places]
    return {"prediction": answers[0]["answer"], "answers": answers}


def _recommender(folder: Path, _: Any, load: Load | None) -> Any:
    from models.recommend import load_recommender
    from models.tasks.clicks import answer_of

    chances = load_recommender(folder, load=load)

    def answer(rows: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [answer_of(chance) for chance in chances(rows)]

    return answer


# How many answers a question gets, the first of them being the prediction.
BEST = 5
LOADERS = {"click": _recommender, "label": _classifier, "labels": _labeller, "passage": _finder, "text": _writer}


def _files(manifest: Path) -> dict[str, Any]:
    return dict(json.loads(manifest.read_text(encoding="utf-8"))["files"])


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


set_model(ServedModel())
