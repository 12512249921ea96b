"""How many tokens a recipe has a model read at once, and whether the model can."""

from __future__ import annotations

from typing import Any

from pipelines.errors import Refused
from pipelines.recipe import Recipe


def require_room(model: Any, recipe: Recipe) -> None:
    """Raise Refused when the recipe would have a model read more tokens at once than it can."""
    from models.backbone import room

    most = room(model)
    wanted = {"pretrain.block": recipe.pretrain.block, "finetune.max_length": recipe.finetune.max_length}
    for key, tokens in wanted.items():
        if tokens > most:
            raise Refused(f"{key} is {tokens}, but the base reads {most} tokens at once; set it to {most} or fewer")
