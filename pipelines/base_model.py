"""base: find the model that training starts from, or make it, and measure how well it knows language."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from models import threads
from pipelines.base_source import find_base
from pipelines.corpus import bits_per_byte, training_texts
from pipelines.distil_recipe import Scratch
from pipelines.errors import Refused
from pipelines.language_training import train_on_text
from pipelines.room import require_room
from pipelines.steps import Work
from pipelines.training import write_training

if TYPE_CHECKING:
    from models.record import Record


def base(work: Work) -> None:
    """Write the base model with a fitted language-model head, its curve, and bits per byte before any adaptation."""
    threads.use(work.settings.threads)
    from models.backbone import save

    started = time.monotonic()
    chosen = work.run.recipe.base.model
    model, tokenizer, record = _scratch(work, chosen.scratch) if isinstance(chosen, Scratch) else _found(work, chosen)
    seconds = time.monotonic() - started
    save(model, tokenizer, work.out / "model")
    metrics = {"bits_per_byte": bits_per_byte(work, model, tokenizer), "tokens": record.tokens}
    write_training(work, record, metrics, seconds)


def _scratch(work: Work, name: str) -> tuple[Any, Any, Record]:
    """A new model: its tokenizer sees all corpora, its weights learn general text."""
    from models.schedule import Pace
    from models.scratch import scratch

    recipe = work.run.recipe
    general = recipe.data.replay.corpus
    texts = [text for corpus in recipe.data.corpora.values() for text in training_texts(work, corpus)]
    model, tokenizer = scratch(name, texts, recipe.seed)
    require_room(model, recipe)
    print(f"{name}: {model.num_parameters():,} parameters, {len(tokenizer):,} tokens of its own", flush=True)
    record = train_on_text(work, (model, tokenizer), {general: recipe.base.tokens}, Pace(recipe.base.learning_rate))
    return model, tokenizer, record


def _found(work: Work, name: str) -> tuple[Any, Any, Record]:
    """A pretrained model; one without a language-model head gets one, fitted with all else frozen."""
    from models.backbone import config_of, masked_from_encoder, require_no_template
    from models.chat import require_usable
    from models.new_head import freeze_backbone
    from models.record import Record
    from models.schedule import Pace
    from models.virtual_tokens import require_none
    from models.writers import decoder_from, load_encoder_decoder, warm_started

    recipe = work.run.recipe
    folder = find_base(recipe.base, work.settings)
    try:
        require_none(config_of(folder))
        require_no_template(folder)
        if recipe.base.warm_start:
            model, tokenizer, is_new = *warm_started(folder, recipe.seed), False
        elif recipe.pretrain.objective == "denoising":
            model, tokenizer, is_new = *load_encoder_decoder(folder), False
        else:
            found = {"masked": masked_from_encoder, "causal": decoder_from}[recipe.pretrain.objective]
            model, tokenizer, is_new = found(folder, recipe.seed)
            if "dialog" in {recipe.task, *(other.task for other in recipe.finetune.auxiliary)}:
                require_usable(tokenizer)
    except ValueError as error:
        raise Refused(f"base {name}: {error}") from None
    require_room(model, recipe)
    if not is_new:
        return model, tokenizer, Record()
    if not recipe.base.tokens:
        raise Refused(f"base {name} has no language-model head; set base.tokens, on which one is fitted")
    print("the base has no language-model head: fitting one, with all else frozen", flush=True)
    freeze_backbone(model)
    # Half of each; all of it where they are one file.
    halves = Counter((recipe.data.replay.corpus, recipe.data.corpus))
    amounts = {corpus: count * recipe.base.tokens // 2 for corpus, count in halves.items()}
    return model, tokenizer, train_on_text(work, (model, tokenizer), amounts, Pace(recipe.base.learning_rate))
