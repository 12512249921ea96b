"""pretrain: go on with the base model's own training, on text of the domain, with general text replayed."""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from itertools import accumulate
from typing import Any

from models import threads
from pipelines.artifact import read_json
from pipelines.corpus import bits_per_byte, held_out, training_texts
from pipelines.errors import Refused
from pipelines.language_training import train_on_text
from pipelines.recipe import Data
from pipelines.retaining import holding, learner, plain
from pipelines.steps import Work
from pipelines.training import write_training

# So many characters of the domain say what its habits are: a minute's work.
COUNTED = 2_000_000


def pretrain(work: Work) -> None:
    """Write the adapted model, its curve, and bits per byte after it; with no tokens, the base as it is."""
    threads.use(work.settings.threads)
    from models.backbone import save
    from models.methods import merged
    from models.schedule import Pace

    settings, data = work.run.recipe.pretrain, work.run.recipe.data
    model, tokenizer = _base(work)
    if settings.new_tokens:
        tokenizer = _with_new_tokens(work, model, tokenizer)
    started = time.monotonic()
    hold, learned = holding(work, (model, tokenizer)), learner(work, model)
    pace = Pace(settings.learning_rate, warm_up=settings.warm_up, schedule=settings.schedule)
    record = train_on_text(work, (plain(learned), tokenizer), amounts(data, settings.tokens), pace, hold)
    model = merged(learned)
    seconds = time.monotonic() - started
    if settings.tokens:
        save(model, tokenizer, work.out / "model")
    else:
        shutil.copytree(work.inputs["base"] / "model", work.out / "model")
    before = read_json(work.inputs["base"] / "metrics.json")["bits_per_byte"]
    after = bits_per_byte(work, model, tokenizer)
    for name, value in after.items():
        print(f"{name}: {before[name]:.4f} bits per byte before, {value:.4f} after ({value / before[name] - 1:+.1%})")
    metrics = {"bits_per_byte": after, "tokens": record.tokens, "replay_share": data.replay.share}
    write_training(work, record, metrics, seconds)


def _with_new_tokens(work: Work, model: Any, tokenizer: Any) -> Any:
    """The tokenizer that knows the domain's habits; the model is made to fit it, in place."""
    from models.new_tokens import extended

    corpus = work.run.recipe.data.corpus
    texts = training_texts(work, corpus)
    random.Random(work.run.recipe.seed).shuffle(texts)  # noqa: S311 - no secret is drawn
    read = accumulate(map(len, texts), initial=0)
    counted = [text for text, before in zip(texts, read, strict=False) if before < COUNTED]
    print(f"looking for new tokens in {len(counted):,} texts of {corpus}", flush=True)
    try:
        larger, pairs = extended(model, tokenizer, counted, work.run.recipe.pretrain.new_tokens)
    except ValueError as error:
        raise Refused(f"pretrain.new_tokens: {error}; leave it out") from None
    before, after = (sum(map(len, cut(held_out(work, corpus))["input_ids"])) for cut in (tokenizer, larger))
    print(f"{len(pairs):,} new tokens: held-out text of the domain takes {after / before - 1:+.1%} tokens", flush=True)
    return larger


def amounts(data: Data, tokens: int) -> dict[str, int]:
    """How many tokens each corpus gives: what is replayed, and the domain the rest."""
    found = Counter({data.corpus: tokens})
    for one in (data.replay, *data.earlier):
        replayed = round(tokens * one.share)
        found[data.corpus] -= replayed
        found[one.corpus] += replayed
    return found


def _base(work: Work) -> tuple[Any, Any]:
    from models.writers import load_language_model

    try:
        return load_language_model(work.inputs["base"] / "model", work.run.recipe.pretrain.objective)
    except ValueError as error:
        raise Refused(str(error)) from None
