"""The command `scriptorium schema`."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def schema(
    markdown: Annotated[bool, typer.Option("--markdown", help="As a page for people, docs/recipe.md")] = False,
) -> None:
    """Print the JSON schema of a recipe, by which editors complete and check its keys (docs/recipe.md)."""
    from pipelines.recipe_page import page
    from pipelines.recipe_schema import recipe_schema

    made = recipe_schema()
    print(page(made) if markdown else json.dumps(made, ensure_ascii=False, indent=2), end="" if markdown else "\n")
