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
    """The fine-tuned model as a language model: an encoder under the head that its adapted model had."""
    from models.backbone import load_classifier, load_encoder, load_masked
    from models.inserted import insert
    from models.writers import load_writer

    if work.run.recipe.pretrain.objective != "masked":
        return load_writer(work.inputs["tuned"] / "model")
    model, tokenizer = load_masked(work.inputs["adapted"] / "model")
    load_tuned = load_classifier if TASKS[work.run.recipe.task].answer in ("click", "label", "labels") else load_encoder
    tuned, _ = load_tuned(work.inputs["tuned"] / "model")
    insert(model, tuned.config)
    left = model.base_model.load_state_dict(tuned.base_model.state_dict(), strict=False)
    if left.missing_keys:
        raise ScriptoriumError(
            f"{work.inputs['tuned']} lacks {left.missing_keys[0]}, which {work.inputs['adapted']} has"
        )
    return model, tokenizer
