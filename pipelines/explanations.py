"""Explanations: which words the answers of a model rest on, and some of them for the report."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from models.tasks import TASKS
from models.tasks.labels import answer_of
from models.tasks.task import Prediction, Row, Task
from models.verbaliser import VERBALISER
from pipelines.answers import kind_of
from pipelines.comparison import by_chance
from pipelines.loop_progress import progress

# Of each kind, the wrong and the right: what they cost does not depend on the size of the test set.
EACH = 3
# What is said of a word, in the order in which it counts; the first colours it.
SCORES = ("gradients", "occlusion", "hidden")

# A row, and what the model said of it where that is known, to the row's explanation.
Explain = Callable[[Row, Prediction | None], dict[str, Any]]


def explanations(task: Task, folder: Path, rows: Sequence[Row], predictions: Sequence[Prediction]) -> list[Any]:
    """Which words the worst mistakes and some other answers rest on; empty for kinds of answers that have no such."""
    if not rows or unexplained(task, folder):
        return []
    explain, tell = EXPLAINERS[task.answer](task, folder), progress("explanations")
    chosen, found = _chosen(task, rows, predictions), []
    for number, why in chosen.items():
        found.append({"why": why, "id": rows[number]["id"], **explain(rows[number], predictions[number])})
        tell(len(found), len(chosen))
    return found


def _chosen(task: Task, rows: Sequence[Row], predictions: Sequence[Prediction]) -> dict[int, str]:
    """Positions of the worst mistakes, the surest where an answer has a probability; then of right answers by chance.

    A written text is never simply right: the rest of those is by chance.
    """
    mistakes = kind_of(task).mistakes(task, predictions)
    left_out = set(mistakes if task.answer == "label" else mistakes[:EACH])
    right = [number for number in by_chance(rows) if number not in left_out]
    word = "right" if task.answer == "label" else "by chance"
    return dict.fromkeys(mistakes[:EACH], "worst mistake") | dict.fromkeys(right[:EACH], word)


def unexplained(task: Task, folder: Path) -> str | None:
    """Why the answers of a model folder are not explained; None when they are."""
    if task.answer not in EXPLAINERS:
        named = ", ".join(name for name, other in TASKS.items() if other.answer in EXPLAINERS)
        return f"answers of the task {task.name} are not explained, only those of {named}"
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if VERBALISER in config:
        return "answers of a model that was trained with finetune.prompt are not explained"
    if config.get("is_encoder_decoder"):  # of its encoder no word can yet be hidden
        return "answers of an encoder-decoder are not explained, only those of decoders and classifiers"
    return None


def strongest(explained: Any, most: int = 5) -> list[dict[str, Any]]:
    """The words that say most, as parts, by the size of their first score."""
    words = [part for text in explained["texts"] for part in text if scored(part)]
    return sorted(words, key=lambda part: -abs(part[scored(part)]))[:most]


def scored(part: Any) -> str:
    """The score by which a part of a text is coloured; empty for what is no word."""
    return next((name for name in SCORES if name in part), "")


def strengths(explained: Any) -> list[list[int]]:
    """For each part of each text, from -3 (most against) over 0 to 3 (most for), relative to the strongest word."""
    top = max((abs(part[scored(part)]) for part in strongest(explained, 1)), default=0.0) or 1.0
    return [
        [round(3 * part[scored(part)] / top) if scored(part) else 0 for part in text] for text in explained["texts"]
    ]


def _labels(task: Task, folder: Path) -> Explain:
    from models.backbone import load_classifier
    from models.explain import label_parts
    from models.predict import classify

    model, tokenizer = load_classifier(folder)

    def explain(row: Row, known: Prediction | None) -> dict[str, Any]:
        texts = task.read(row)
        answer = known or answer_of(classify(model, tokenizer, [texts])[0])
        said = {"prediction": answer["prediction"], "probability": round(answer["probability"], 6)}
        right = {"label": row[task.target]} if task.target in row else {}
        return {**said, **right, **label_parts(model, tokenizer, texts, answer["prediction"])}

    return explain


def _texts(task: Task, folder: Path) -> Explain:
    from models.backbone import load_causal
    from models.explain import answer_parts
    from models.generate import generate

    model, tokenizer = load_causal(folder)

    def explain(row: Row, known: Prediction | None) -> dict[str, Any]:
        prompt = task.asked(row)
        answer = known["prediction"] if known else generate(model, tokenizer, [prompt])[0]
        return {"prediction": answer, **answer_parts(model, tokenizer, prompt, answer)}

    return explain


EXPLAINERS: dict[str, Callable[[Task, Path], Explain]] = {"label": _labels, "text": _texts}
