"""Explanations: which words an answer rests on, for some answers of the report and for rows that are asked about."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from models.tasks import TASKS
from models.tasks.labels import answer_of
from models.tasks.task import Prediction, Row, Task
from models.verbaliser import VERBALISER
from pipelines.answers import kind_of
from pipelines.artifact import read_manifest
from pipelines.comparison import by_chance
from pipelines.errors import Refused
from pipelines.loop_progress import progress
from pipelines.settings import Settings

# Of each kind, the wrong and the right: what they cost does not depend on the size of the test set.
EACH = 3
# What is said of a word, in the order in which it counts; the first colours it.
SCORES = ("gradients", "occlusion", "hidden")

# A row, and what the model said of it where that is known, to the row's explanation.
Explain = Callable[[Row, Prediction | None], dict[str, Any]]


def explanations(task: Task, folder: Path, rows: Sequence[Row], predictions: Sequence[Prediction]) -> list[Any]:
    """Which words the worst mistakes and some other answers rest on; empty for kinds of answers that have no such."""
    if task.answer not in EXPLAINERS or not rows or _asks_for_words(folder) or _reads_first(folder):
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


def explain_rows(recipe: str, rows: Callable[[Task], Iterable[Row]], settings: Settings) -> list[dict[str, Any]]:
    """What the champion answers to each row, and which words that rests on; `rows` gives those of a task.

    Raises Refused when there is no champion, and for a task whose answers are not explained.
    """
    import torch

    from pipelines.champion import champion, require_known

    require_known(recipe, settings)
    held = champion(recipe, settings)
    if held is None:
        raise Refused(f"{recipe} has no champion yet; make one with `scriptorium trigger {recipe}` and a review")
    torch.set_num_threads(settings.threads)
    task = _task_of(held.folder)
    if task.answer not in EXPLAINERS:
        named = ", ".join(name for name, other in TASKS.items() if other.answer in EXPLAINERS)
        raise Refused(f"{recipe}: answers of the task {task.name} are not explained, only those of {named}")
    if _asks_for_words(held.folder / "model"):
        raise Refused(f"{recipe}: answers of a model that was trained with finetune.prompt are not explained")
    if _reads_first(held.folder / "model"):
        raise Refused(
            f"{recipe}: answers of an encoder-decoder are not explained, only those of decoders and classifiers"
        )
    asked = list(rows(task))
    explain = EXPLAINERS[task.answer](task, held.folder / "model")
    return [{**row, **explain(row, None)} for row in asked]


def _asks_for_words(folder: Path) -> bool:
    """Whether the labels of a model folder are words of a prompt, which the explanations do not know how to read."""
    return VERBALISER in json.loads((folder / "config.json").read_text(encoding="utf-8"))


def _reads_first(folder: Path) -> bool:
    """Whether a model is an encoder-decoder, of whose encoder no word can yet be hidden."""
    return bool(json.loads((folder / "config.json").read_text(encoding="utf-8")).get("is_encoder_decoder"))


def _task_of(folder: Path) -> Task:
    return TASKS[json.loads(read_manifest(folder).made_from["recipe.task"])]


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
