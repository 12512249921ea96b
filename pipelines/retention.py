"""The step that measures what fine-tuning left of the language; its own, for a new champion does not change it."""

from __future__ import annotations

from typing import Any

from models import threads
from models.tasks import TASKS
from pipelines.artifact import write_json
from pipelines.corpus import bits_per_byte
from pipelines.errors import ScriptoriumError
from pipelines.steps import Work


def retention(work: Work) -> None:
    """Write metrics.json with the fine-tuned model's bits per byte on domain and general text."""
    threads.use(work.settings.threads)
    metrics = {"bits_per_byte": bits_per_byte(work, *tuned_language_model(work))}
    write_json(work.out / "metrics.json", metrics)


def tuned_language_model(work: Work) -> tuple[Any, Any]:
    """The fine-tuned model as a language model: one with another head under that of the adapted model."""
    from models.backbone import config_of, load_classifier, load_encoder
    from models.inserted import insert
    from models.verbaliser import VERBALISER
    from models.writers import load_language_model, load_writer

    answer, objective = TASKS[work.run.recipe.task].answer, work.run.recipe.pretrain.objective
    folder = work.inputs["tuned"] / "model"
    if answer == "text" or (objective == "causal" and hasattr(config_of(folder), VERBALISER)):
        return load_writer(folder)
    model, tokenizer = load_language_model(work.inputs["adapted"] / "model", objective)
    load_tuned = load_classifier if answer in ("click", "label", "labels") else load_encoder
    tuned, _ = load_tuned(folder)
    insert(model, tuned.config)
    left = model.base_model.load_state_dict(tuned.base_model.state_dict(), strict=False)
    if left.missing_keys:
        raise ScriptoriumError(
            f"{work.inputs['tuned']} lacks {left.missing_keys[0]}, which {work.inputs['adapted']} has"
        )
    return model, tokenizer
