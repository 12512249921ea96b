"""What a recipe names, as it is now: a run must not mean another model tomorrow."""

from __future__ import annotations

from pathlib import Path

from pipelines.artifact import sha256_file
from pipelines.base_source import find, pinned_base
from pipelines.champion import champion, require_known
from pipelines.errors import Refused
from pipelines.limits import Limits
from pipelines.recipe import Distil, Evaluate, Recipe, Scratch
from pipelines.registered_base import is_registered, registered_base
from pipelines.settings import Settings
from pipelines.toxicity import WEIGHTS, require_labels


def pinned(recipe: Recipe, settings: Settings) -> Recipe:
    """The recipe with the digest of every model that it only names. Raises Refused for one that is nowhere."""
    base = (registered_base if is_registered(recipe.base) else pinned_base)(recipe.base, settings)
    now = {
        "base": base,
        "validation": pinned_limits(recipe.validation, settings),
        "evaluate": pinned_encoder(recipe.evaluate, settings),
        "distil": pinned_student(recipe.distil, settings),
    }
    return recipe.model_copy(update=now)


def pinned_encoder(evaluate: Evaluate, settings: Settings) -> Evaluate:
    """The section with the digest of the encoder that its name stands for now. Raises Refused when it is nowhere."""
    encoder = evaluate.encoder
    if encoder is None or encoder.sha256:
        return evaluate
    digest = sha256_file(find(encoder.model, None, settings, "evaluate.encoder.model") / WEIGHTS)
    return evaluate.model_copy(update={"encoder": encoder.model_copy(update={"sha256": digest})})


def pinned_student(distil: Distil | None, settings: Settings) -> Distil | None:
    """The section with the digest of the student that its name stands for now. Raises Refused when it is nowhere."""
    if distil is None or distil.sha256 or isinstance(distil.student, Scratch):
        return distil
    return distil.model_copy(
        update={"sha256": sha256_file(find(distil.student, None, settings, "distil.student") / WEIGHTS)}
    )


def pinned_limits(limits: Limits, settings: Settings) -> Limits:
    """The limits with the digest of the classifier that its name stands for now.

    Raises Refused when there is none.
    """
    toxicity = limits.toxicity
    if toxicity is None or toxicity.sha256:
        return limits
    folder = _folder_now(toxicity.model, settings)
    require_labels(folder, toxicity)
    digest = sha256_file(folder / WEIGHTS)
    return limits.model_copy(update={"toxicity": toxicity.model_copy(update={"sha256": digest})})


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
