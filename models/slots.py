"""Values of slots, such as the names of products, for which others of their kind stand wherever a row names them."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from models.words import whole


@dataclass(frozen=True)
class Slots:
    """What each slot is called, and its values; a value is in one slot."""

    values: Mapping[str, Sequence[str]]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What finds the values."""
        return whole(value for values in self.values.values() for value in values)


def with_other_values(texts: Sequence[str], slots: Slots, seed: str) -> list[str] | None:
    """The texts of one row with each value that they name replaced by another of its slot, the same one in all texts.

    As they are where they name none; None where a value would stay, for it is also within another word ("Betas") or
    written in other letters. A longer value goes before a shorter one within it. The same seed draws the same.
    """
    pattern = slots.pattern
    named = {found[0] for text in texts for found in pattern.finditer(text)}
    left = "\n".join(pattern.sub("\n", text) for text in texts)
    if any(value in left for value in named) or whole(named, re.IGNORECASE).search(left):
        return None
    draw = random.Random(seed)  # noqa: S311 - no secret is drawn
    stands: dict[str, str] = {}
    for values in slots.values.values():  # each stands for the one before it in a circle: no two become one, none stays
        circle = draw.sample(values, len(values))
        stands |= zip(circle, (*circle[1:], circle[0]), strict=True)
    return [pattern.sub(lambda found: stands[found[0]], text) for text in texts]
