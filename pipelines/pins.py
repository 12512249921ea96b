"""What a recipe names, as it is now: a run must not mean another model tomorrow."""

from __future__ import annotations

from pathlib import Path

from pipelines.base_source import digests_now, pinned_base
from pipelines.champion import champion, require_known
from pipelines.distil_recipe import Distil, Scratch
from pipelines.errors import Refused
from pipelines.evaluate_recipe import Evaluate
from pipelines.limits import Limits
from pipelines.model_digests import WEIGHTS, digests_of, require_files
from pipelines.recipe import Base, Finetune, Recipe
from pipelines.registered_base import is_registered, registered_base
from pipelines.settings import Settings
from pipelines.toxicity import classifier_folder, require_labels
from pipelines.translators import NAMING, as_base, key_of


def pinned(recipe: Recipe, settings: Settings) -> Recipe:
    """The recipe with the digests of every model that it only names. Raises Refused for one that is nowhere."""
    now = {
        "base": pinned_model(recipe.base, settings),
        "validation": pinned_limits(recipe.validation, settings),
        "evaluate": pinned_encoder(recipe.evaluate, settings),
        "distil": pinned_student(recipe.distil, settings),
        "finetune": pinned_translators(recipe.finetune, settings),
    }
    return recipe.model_copy(update=now)


def pinned_model(base: Base, settings: Settings, key: str = "base") -> Base:
    """The base with the digests of the bytes that its name stands for now. Raises Refused when they are nowhere."""
    return (registered_base if is_registered(base) else pinned_base)(base, settings, key)


def pinned_encoder(evaluate: Evaluate, settings: Settings) -> Evaluate:
    """The section with the digests of the encoder that its name stands for now. Raises Refused when it is nowhere."""
    encoder = evaluate.encoder
    if encoder is None:
        return evaluate
    now = digests_now(encoder, encoder.model, settings, "evaluate.encoder.model")
    return evaluate.model_copy(update={"encoder": encoder.model_copy(update=now)})


def pinned_student(distil: Distil | None, settings: Settings) -> Distil | None:
    """The section with the digests of the student that its name stands for now. Raises Refused when it is nowhere."""
    if distil is None or isinstance(distil.student, Scratch):
        return distil
    return distil.model_copy(update=digests_now(distil, distil.student, settings, "distil.student"))


def pinned_translators(finetune: Finetune, settings: Settings) -> Finetune:
    """The section with the digests of the translators that its names stand for now. Raises Refused for one nowhere."""
    if not (augment := finetune.augment) or not (chain := augment.back_translation):
        return finetune
    now = {}
    for way in ("there", "back"):
        translator = getattr(chain, way)
        base = pinned_model(as_base(translator), settings, key_of(way))
        now[way] = translator.model_copy(update={key: getattr(base, key) for key in NAMING})
    augment = augment.model_copy(update={"back_translation": chain.model_copy(update=now)})
    return finetune.model_copy(update={"augment": augment})


def pinned_limits(limits: Limits, settings: Settings) -> Limits:
    """The limits with the digests of the classifier that its name stands for now.

    Raises Refused when there is none.
    """
    toxicity = limits.toxicity
    if toxicity is None or (toxicity.sha256 and toxicity.files_sha256):
        return limits
    folder = classifier_folder(toxicity, settings) if toxicity.sha256 else _folder_now(toxicity.model, settings)
    require_files(folder, toxicity.files_sha256, "validation.toxicity.model")
    require_labels(folder, toxicity)
    return limits.model_copy(update={"toxicity": toxicity.model_copy(update=digests_of(folder))})


def _folder_now(model: str, settings: Settings) -> Path:
    if "/" in model:
        folder = Path(model).expanduser()
        if not (folder / WEIGHTS).is_file():
            raise Refused(f"validation.toxicity.model: {folder} has no {WEIGHTS}; name one that has")
        return folder
    require_known(model, settings)
    held = champion(model, settings)
    if held is None:
        raise Refused(f"validation.toxicity.model: {model} has no champion yet; train it, and have it approved")
    return held.folder / "model"
