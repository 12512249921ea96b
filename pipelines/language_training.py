"""Training on plain text, as the base and the pretraining steps both do it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pipelines.artifact import canonical, sha256_text
from pipelines.corpus import training_texts
from pipelines.steps import Work
from pipelines.training import trained

if TYPE_CHECKING:
    from models.record import Record
    from models.schedule import Pace, Plan

Pair = tuple[Any, Any]


def train_on_text(
    work: Work,
    pair: Pair,
    amounts: Mapping[str, int],
    pace: Pace,
    hold: Callable[[Plan], Plan] = lambda plan: plan,
) -> Record:
    """Train a model, given with its tokenizer, on so many tokens of each corpus, with the recipe's objective.

    `pace` says how fast; accumulation and seed are the recipe's.
    `hold` may change the plan, by losses or hooks that keep the model to what it knew.
    """
    from models.methods import set_dropout

    settings, seed = work.run.recipe.pretrain, work.run.recipe.seed
    model, _ = pair
    set_dropout(model, 0.0)  # no text is read twice, so there is nothing to learn by heart
    plan = hold(text_plan(work, pair, amounts))
    pace = replace(pace, accumulation=settings.accumulation, seed=seed)
    return trained(work, model, plan, pace)


def text_plan(work: Work, pair: Pair, amounts: Mapping[str, int]) -> Plan:
    """One pass over so many tokens of each corpus, for a model given with its tokenizer."""
    from models import denoising, objectives
    from models.packing import keeps_apart

    model, tokenizer = pair
    settings, seed = work.run.recipe.pretrain, work.run.recipe.seed
    documents = _documents(work, tokenizer, amounts)
    part = settings.batch_tokens // settings.accumulation
    if settings.objective == "denoising":
        return denoising.denoising_plan(tokenizer, documents, settings.mask, part, seed)
    if settings.objective == "masked":
        return objectives.masked_plan(tokenizer, documents, settings.mask, part, seed, settings.masking)
    if keeps_apart(model):
        return objectives.causal_plan(documents, settings.block, part, tokenizer.pad_token_id, seed)
    if documents:
        kind = model.config.model_type
        print(f"packed together, texts would be seen by each other in this {kind}: one stands a row", flush=True)
    return objectives.causal_plan_unpacked(documents, part, tokenizer.pad_token_id, seed)


def _documents(work: Work, tokenizer: Any, amounts: Mapping[str, int]) -> Sequence[Any]:
    """Tokenised pieces of the corpora, each as many as it shall give; those of the try before, where there was one.

    They lie beside the checkpoints, whose folder is named by all that they depend on.
    """
    from models.token_file import TokenFile, write

    folder = work.checkpoints / f"tokens-{sha256_text(canonical(dict(amounts)))[:12]}"
    if folder.is_dir():
        print("the texts were tokenised by the try before", flush=True)
        return TokenFile(folder)
    return write(folder, partial(_drawn, work, tokenizer, amounts))


def _drawn(work: Work, tokenizer: Any, amounts: Mapping[str, int], keep: Callable[[Any], None]) -> list[int]:
    """Hand the pieces of all corpora to `keep`; return their numbers in the order of learning."""
    from models.objectives import drawn, tokenise, tokenise_ended, tokenise_words

    settings, order, lengths = work.run.recipe.pretrain, list[int](), list[int]()
    whole = tokenise_ended if settings.objective == "causal" else tokenise
    cut = whole if settings.masking == "token" else tokenise_words

    def counted(piece: Any) -> None:
        lengths.append(len(piece))
        keep(piece)

    for corpus, tokens in amounts.items():
        texts, first = training_texts(work, corpus), len(lengths)
        numbers = drawn(tokenizer, texts, settings.block, tokens, work.run.recipe.seed, counted, cut)
        chosen = [first + number for number in numbers]
        total = sum(lengths[number] for number in chosen)
        print(f"{corpus}: {total:,} tokens to learn from, of {len(texts):,} texts", flush=True)
        order += chosen
    return order
