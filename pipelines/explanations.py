"""Explanations: which words the answers of a model rest on, and some of them for the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from models.tasks import TASKS, label_sets
from models.tasks.labels import answer_of
from models.tasks.task import Prediction, Row, Task
from pipelines.answers import kind_of
from pipelines.examples import by_chance
from pipelines.loop_progress import progress

# Of each kind, the wrong and the right: what they cost does not depend on the size of the test set.
EACH = 3
# Of a text with more labels the surest are explained.
LABELS = 4
# What is said of a word, in the order in which it counts; the first colours it.
SCORES = ("gradients", "occlusion", "hidden")

# A row, and what the model said of it where that is known, to the row's explanations: one, or one for each label.
Explain = Callable[[Row, Prediction | None], list[dict[str, Any]]]


def explanations(task: Task, folder: Path, rows: Sequence[Row], predictions: Sequence[Prediction]) -> list[Any]:
    """Which words the worst mistakes and some other answers rest on; empty for kinds of answers that have no such."""
    if not rows or unexplained(task):
        return []
    explain, tell = EXPLAINERS[task.answer](task, folder), progress("explanations")
    chosen, found = _chosen(task, rows, predictions), []
    for done, (number, why) in enumerate(chosen.items(), 1):
        told = {"why": why, "id": rows[number]["id"]}
        found += [told | one for one in explain(rows[number], predictions[number])]
        tell(done, len(chosen))
    return found


def _chosen(task: Task, rows: Sequence[Row], predictions: Sequence[Prediction]) -> dict[int, str]:
    """Positions of the worst mistakes, the surest where an answer has a probability; then of right answers by chance.

    A written text is never simply right: the rest of those is by chance.
    """
    mistakes = kind_of(task).mistakes(task, predictions)
    left_out = set(mistakes[:EACH] if task.answer == "text" else mistakes)
    right = [number for number in by_chance(rows) if number not in left_out]
    word = "by chance" if task.answer == "text" else "right"
    return dict.fromkeys(mistakes[:EACH], "worst mistake") | dict.fromkeys(right[:EACH], word)


def unexplained(task: Task) -> str | None:
    """Why the answers of a task are not explained; None when they are."""
    if task.answer in EXPLAINERS:
        return None
    named = ", ".join(name for name, other in TASKS.items() if other.answer in EXPLAINERS)
    return f"answers of the task {task.name} are not explained, only those of {named}"


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


def _label(task: Task, folder: Path) -> Explain:
    from models.backbone import load_classifier
    from models.explain import label_parts
    from models.predict import classify

    model, tokenizer = load_classifier(folder)

    def explain(row: Row, known: Prediction | None) -> list[dict[str, Any]]:
        texts = task.read(row)
        answer = known or answer_of(classify(model, tokenizer, [texts])[0])
        said = {**answer, "probability": round(answer["probability"], 6)}
        said = {name: said[name] for name in ("prediction", "probability", "probability_of") if name in said}
        right = {"label": row[task.target]} if task.target in row else {}
        return [{**said, **right, **label_parts(model, tokenizer, texts, answer["prediction"])}]

    return explain


def _labels(task: Task, folder: Path) -> Explain:
    """Of each label that is said, the surest first; where none is, of the likeliest."""
    from models.backbone import load_classifier
    from models.explain import label_parts
    from models.predict import classify
    from models.threshold import read_threshold

    (model, tokenizer), threshold = load_classifier(folder), read_threshold(folder)

    def explain(row: Row, known: Prediction | None) -> list[dict[str, Any]]:
        texts = task.read(row)
        answer = known or label_sets.answer_of(classify(model, tokenizer, [texts])[0], threshold)
        chances = answer["probabilities"]
        likely = sorted(chances, key=lambda label: (-chances[label], label))
        about = [label for label in likely if label in answer["prediction"]][:LABELS] or likely[:1]
        right = {"labels": sorted(row[task.target])} if task.target in row else {}
        said = {"prediction": answer["prediction"], **right}
        each = ((label, label_parts(model, tokenizer, texts, label)) for label in about)
        return [{**said, "about": label, "probability": chances[label], **found} for label, found in each]

    return explain


def _passage(task: Task, folder: Path) -> Explain:
    from models.backbone import load_bi_encoder
    from models.explain import passage_parts
    from models.ranking import best, read_answers, scorer

    encoder, tokenizer = load_bi_encoder(folder)

    @cache
    def pool() -> tuple[list[str], Any]:
        """Read only where an answer is not known: it takes as long as all the answers are."""
        answers = read_answers(folder)
        return answers, scorer(encoder, tokenizer, answers, progress("answers"))

    def first(question: str) -> str:
        answers, score = pool()
        return answers[best(score([question])[0], 1)[0]]

    def explain(row: Row, known: Prediction | None) -> list[dict[str, Any]]:
        (question,) = task.read(row)
        answer = known["prediction"] if known else first(question)
        right = {"reference": row[task.target]} if task.target in row else {}
        return [{"prediction": answer, **right, **passage_parts(encoder, tokenizer, question, answer)}]

    return explain


def _text(task: Task, folder: Path) -> Explain:
    from models.explain import answer_parts
    from models.generate import generate
    from models.writers import load_writer

    model, tokenizer = load_writer(folder)

    def explain(row: Row, known: Prediction | None) -> list[dict[str, Any]]:
        prompt = task.asked(row)
        answer = known["prediction"] if known else generate(model, tokenizer, [prompt])[0]
        return [{"prediction": answer, **answer_parts(model, tokenizer, prompt, answer)}]

    return explain


EXPLAINERS: dict[str, Callable[[Task, Path], Explain]] = {
    "label": _label,
    "labels": _labels,
    "passage": _passage,
    "text": _text,
}
