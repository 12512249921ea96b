"""`finetune.hard_negatives`: wrong answers that are near a question, found once before the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipelines.artifact import read_kept, write_json
from pipelines.loop_progress import progress
from pipelines.steps import Work

Pairs = Sequence[tuple[str, str]]


def negatives(work: Work, model: Any, tokenizer: Any, pairs: Pairs) -> list[list[str]]:
    """Wrong answers for each question and answer of the training rows; none where the recipe asks for none.

    They are kept in the checkpoints: a training that goes on elsewhere must not find others.
    """
    from models.keywords import bm25
    from models.negatives import Mining, hard_negatives
    from models.ranking import Pool, scorer

    settings = work.run.recipe.finetune.hard_negatives
    if settings is None:
        return [[] for _ in pairs]
    kept = work.checkpoints / "negatives.json"
    if (found := read_kept(kept)) is None:
        mining = Mining(settings.each, settings.among, settings.margin, work.run.recipe.seed)
        pool = Pool.of(pairs)
        if settings.by == "words":
            score = bm25(pool.answers, progress("answers' words"))
        else:
            score = scorer(model, tokenizer, pool.answers, progress("answers"))
        found = hard_negatives(score, pairs, pool, mining, progress("questions"))
        write_json(kept, found)
    without = sum(not texts for texts in found)
    print(f"hard negatives: {sum(map(len, found)):,} for {len(pairs):,} questions ({without:,} have none)", flush=True)
    return [list(texts) for texts in found]
