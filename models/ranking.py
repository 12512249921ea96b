"""Which of many known answers comes first, and where the right one stands."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.predict import BATCH, Progress, embed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Scores = NDArray[np.float32]

# Scores held at once, 4 bytes each.
BLOCK = 4_000_000
# Texts whose states are held twice for a moment, as they were read and in their place.
TEXTS = 4096
# The pool beside the weights, one {"answer": text} a line.
ANSWERS = "answers.jsonl"
# Scores of shape (questions, pool) for the questions from one place up to another.
Scorer = Callable[[Sequence[str]], "Scores"]


@dataclass(frozen=True)
class Pool:
    """Answers to choose from, each once, and the places of those that are right, by question."""

    answers: list[str]
    right: Mapping[str, list[int]]

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> Pool:
        """The pool of questions with their answers."""
        place: dict[str, int] = {}
        right: dict[str, list[int]] = {}
        for question, answer in pairs:
            right.setdefault(question, []).append(place.setdefault(answer, len(place)))
        return cls(list(place), right)


def positions(score: Scorer, pairs: Sequence[tuple[str, str]], pool: Pool) -> list[tuple[int, int]]:
    """(place of the first answer in the pool, rank of its own answer) for each pair of a question and its answer.

    Other right answers of the same question do not count, for two cannot come first (the filtered rank of Bordes et al.
    2013). Wrong answers with the right one's score stand before it: a model that finds all alike has found nothing.
    Memory holds BLOCK scores, or those of 64 questions where the pool is larger.
    """
    place = {text: number for number, text in enumerate(pool.answers)}
    step = max(BATCH, BLOCK // len(pool.answers))
    found: list[tuple[int, int]] = []
    for start in range(0, len(pairs), step):
        part = pairs[start : start + step]
        scores = score([question for question, _ in part])
        for row, (question, answer) in zip(scores, part, strict=True):
            found.append((int(row.argmax()), _rank(row, place[answer], pool.right[question])))
    return found


def _rank(scores: Scores, own: int, right: Sequence[int]) -> int:
    """How many answers score as high as one of the right ones, or higher, the other right ones left out."""
    others = [place for place in set(right) if place != own]
    return int((scores >= scores[own]).sum() - (scores[others] >= scores[own]).sum())


def scorer(model: Any, tokenizer: Any, pool: Sequence[str], progress: Progress | None = None) -> Scorer:
    """Cosines of an encoder's mean states, those of the pool computed once: 4 bytes a dimension and answer."""
    known = states(model, tokenizer, pool, progress)
    return lambda questions: states(model, tokenizer, questions) @ known.T


def states(model: Any, tokenizer: Any, texts: Sequence[str], progress: Progress | None = None) -> Scores:
    """Mean states of length 1, shape (texts, width), read in blocks; cut at the tokenizer's `model_max_length`."""
    import numpy as np

    found: Scores = np.empty((len(texts), model.config.hidden_size), np.float32)
    done, total = 0, sum(map(len, texts))
    for start in range(0, len(texts), TEXTS):
        block = texts[start : start + TEXTS]
        part = embed(model, tokenizer, block, _after(progress, done, total))
        found[start : start + TEXTS] = part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12)
        done += sum(map(len, block))
    return found


def _after(progress: Progress | None, done: int, total: int) -> Progress | None:
    """Progress of a part as that of the whole."""
    return progress and (lambda part, _: progress(done + part, total))


def best(scores: Scores, count: int) -> list[int]:
    """Places of the `count` highest of one question's scores, the highest first, the earlier of two alike."""
    import numpy as np

    return [int(place) for place in np.argsort(-scores, kind="stable")[:count]]


def write_answers(answers: Iterable[str], folder: Path) -> None:
    """Keep the pool of a model beside its weights."""
    lines = (json.dumps({"answer": text}, ensure_ascii=False) + "\n" for text in answers)
    (folder / ANSWERS).write_text("".join(lines), encoding="utf-8", newline="\n")


def read_answers(folder: Path) -> list[str]:
    """The pool of a model. Raises ValueError when its folder has none."""
    path = folder / ANSWERS
    if not path.is_file():
        raise ValueError(f"{folder} has no {ANSWERS}: this model was not trained to find answers")
    # Not splitlines: texts may hold U+2028.
    return [str(json.loads(line)["answer"]) for line in path.read_text(encoding="utf-8").split("\n") if line]
