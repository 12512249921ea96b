"""What a recipe's `evaluate.speed` and the gates on cost may say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.recipe import Recipe

# What gates and MLflow call what was measured, before its own name; and what is known of every model.
SPEED, SIZE = "speed_", "size_bytes"
LOW, HIGH = ("p50_ms", "p95_ms", "memory_mb"), ("texts_per_second",)
# Of tasks that write, in the model's own tokens.
TOKENS = "tokens_per_second"


def speed_problems(recipe: Recipe) -> Iterator[str]:
    """What is wrong with gates on cost: key, problem and cure, one a line."""
    for number, gate in enumerate(recipe.gates):
        if gate.metric in {SPEED + name for name in (*LOW, *HIGH, TOKENS)} and not recipe.evaluate.speed:
            yield f"gates.{number}.metric: {gate.metric} needs evaluate.speed = true, for it has to be measured"
