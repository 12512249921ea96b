"""A table of a recipe."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table of a recipe: frozen, and strict about what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
