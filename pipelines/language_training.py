"""Training on plain text, as the base and the pretraining steps both do it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipelines.corpus import refused_when_diverged, training_texts
from pipelines.steps import Work

if TYPE_CHECKING:
    from models.train import Record

Pair = tuple[Any, Any]


def train_on_text(work: Work, pair: Pair, amounts: Mapping[str, int], learning_rate: float) -> Record:
    """Train a model, given with its tokenizer, on so many tokens of each corpus, with the recipe's objective."""
    from models import objectives
    from models.checkpoint import Checkpoints
    from models.methods import set_dropout
    from models.schedule import Pace
    from models.train import train

    model, tokenizer = pair
    settings, seed = work.run.recipe.pretrain, work.run.recipe.seed
    set_dropout(model, 0.0)  # no text is read twice, so there is nothing to learn by heart
    documents = _documents(work, tokenizer, amounts)
    part = settings.batch_tokens // settings.accumulation
    if settings.objective == "masked":
        plan = objectives.masked_plan(tokenizer, documents, settings.mask, part, seed)
    else:
        pad = tokenizer.pad_token_id
        plan = objectives.causal_plan(documents, settings.block, part, pad, seed)
    pace = Pace(learning_rate, accumulation=settings.accumulation, seed=seed)
    checkpoints = Checkpoints(work.checkpoints, work.settings.checkpoint_every)
    with refused_when_diverged():
        return train(model, plan, pace, checkpoints)


def _documents(work: Work, tokenizer: Any, amounts: Mapping[str, int]) -> list[Any]:
    """Tokenised pieces of the corpora, each as many as it shall give."""
    from models.objectives import drawn

    found: list[Any] = []
    for corpus, tokens in amounts.items():
        texts = training_texts(work, corpus)
        chosen = drawn(tokenizer, texts, work.run.recipe.pretrain.block, tokens, work.run.recipe.seed)
        print(f"{corpus}: {sum(map(len, chosen)):,} tokens to learn from, of {len(texts):,} texts", flush=True)
        found += chosen
    return found
