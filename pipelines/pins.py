"""What a recipe names, as it is now: a run must not mean another model tomorrow."""

from __future__ import annotations

from pipelines.base_source import pinned_base
from pipelines.recipe import Recipe
from pipelines.settings import Settings
from pipelines.toxicity import pinned_limits


def pinned(recipe: Recipe, settings: Settings) -> Recipe:
    """The recipe with the digest of every model that it only names. Raises Refused for one that is nowhere."""
    now = {"base": pinned_base(recipe.base, settings), "validation": pinned_limits(recipe.validation, settings)}
    return recipe.model_copy(update=now)
