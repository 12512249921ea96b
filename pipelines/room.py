"""How many tokens a recipe has a model read at once, and whether the model can."""

from __future__ import annotations

from typing import Any

from models.tasks import TASKS
from pipelines.errors import Refused
from pipelines.recipe import Recipe
from pipelines.recipe_fit import VIRTUAL


def require_room(model: Any, recipe: Recipe) -> None:
    """Raise Refused when the recipe would have a model read more tokens at once than it can."""
    from models.backbone import room

    most, tuning = room(model), recipe.finetune
    virtual = tuning.rank if tuning.method in VIRTUAL else 0
    beside = f" and {virtual} virtual ones stand before them (finetune.rank)" if virtual else ""
    asked = [
        ("pretrain.block", recipe.pretrain.block, most),
        ("finetune.max_length", tuning.max_length, most - virtual),
    ]
    if TASKS[recipe.task].answer == "text":
        asked.append(
            ("finetune.max_new_tokens", tuning.max_new_tokens, most - virtual - 1)
        )  # behind the prompt or the start
    for key, tokens, left in asked:
        if tokens > left:
            told = beside if left < most else ""
            raise Refused(
                f"{key} is {tokens}, but the base reads {most} tokens at once{told}; set it to {left} or fewer"
            )
