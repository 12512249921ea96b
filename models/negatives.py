"""Hard negatives: wrong answers that are near a question, mined before an encoder learns to tell them apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models import stop
from models.predict import BATCH, Progress
from models.ranking import BLOCK, Pool, Scorer, best

if TYPE_CHECKING:
    from models.ranking import Scores


@dataclass(frozen=True)
class Mining:
    """How many are drawn for each question, from among how many, how far below the right answer, and by what seed."""

    each: int
    among: int
    margin: float
    seed: int


def hard_negatives(
    score: Scorer, pairs: Sequence[tuple[str, str]], pool: Pool, mining: Mining, progress: Progress | None = None
) -> list[list[str]]:
    """For each question and its answer, texts of the pool that answer another question and score high for this one.

    They are drawn from the highest scores above zero that are no more than 1 - `margin` of what the row's own answer
    has: what comes nearer is often an answer that nobody labelled (positive-aware mining, de Souza Moreira et al.
    2024). A question whose own answer is not found has none. No text is drawn that answers the same question in any
    row.
    """
    place = {text: number for number, text in enumerate(pool.answers)}
    step = max(BATCH, BLOCK // len(pool.answers))
    found: list[list[str]] = []
    for start in range(0, len(pairs), step):
        stop.check("looking for hard negatives")
        part = pairs[start : start + step]
        for scores, (question, answer) in zip(score([question for question, _ in part]), part, strict=True):
            most = (1 - mining.margin) * scores[place[answer]]
            places = _drawn(scores, most, pool.right[question], mining, len(found))
            found.append([pool.answers[number] for number in places])
        if progress:
            progress(len(found), len(pairs))
    return found


def _drawn(scores: Scores, most: float, right: Sequence[int], mining: Mining, row: int) -> list[int]:
    import numpy as np

    allowed = np.where((scores > 0) & (scores <= most), scores, -np.inf)
    allowed[list(right)] = -np.inf
    hardest = [place for place in best(allowed, mining.among) if allowed[place] > 0]
    draw = np.random.default_rng([mining.seed, row])
    return [int(n) for n in draw.choice(hardest, min(mining.each, len(hardest)), replace=False)] if hardest else []
