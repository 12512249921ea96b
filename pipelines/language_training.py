"""Training on plain text, as the base and the pretraining steps both do it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipelines.corpus import training_texts
from pipelines.steps import Work

if TYPE_CHECKING:
    from models.train import Record


def train_on_text(
    work: Work, model: Any, tokenizer: Any, shares: Mapping[str, float], tokens: int, learning_rate: float
) -> Record:
    """Train on `tokens` tokens, drawn from each corpus by its share, with the recipe's objective."""
    import torch

    from models import objectives
    from models.schedule import Pace
    from models.train import train

    torch.set_num_threads(work.settings.threads)
    settings, seed = work.run.recipe.pretrain, work.run.recipe.seed
    documents = _documents(work, tokenizer, shares, tokens)
    if settings.objective == "masked":
        loss = objectives.masked_loss
        plan = objectives.masked_plan(tokenizer, documents, settings.mask, settings.batch_tokens, seed)
    else:
        loss, pad = objectives.causal_loss, tokenizer.pad_token_id
        plan = objectives.causal_plan(documents, settings.block, settings.batch_tokens, pad, seed)
    return train(model, plan, Pace(learning_rate, seed=seed), loss, work.checkpoints)


def _documents(work: Work, tokenizer: Any, shares: Mapping[str, float], tokens: int) -> list[Any]:
    """Tokenised pieces of the corpora, each up to its share of the tokens."""
    from models.objectives import drawn, tokenise

    found: list[Any] = []
    for corpus, share in shares.items():
        documents = tokenise(tokenizer, training_texts(work, corpus), work.run.recipe.pretrain.block)
        chosen = drawn(documents, round(share * tokens), work.run.recipe.seed)
        held, taken = sum(map(len, documents)), sum(map(len, chosen))
        print(f"{corpus}: {taken:,} tokens to learn from, of {held:,} ({taken / max(1, held):.2f} passes)", flush=True)
        found += chosen
    return found
