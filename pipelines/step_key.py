"""What a step's output depends on, as a flat dictionary whose hash is the step's key."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pipelines.artifact import canonical, sha256_file, sha256_text
from pipelines.recipe import Recipe
from pipelines.settings import ROOT

OURS = ("pipelines", "models")
TEMPLATES = ROOT / "pipelines" / "templates"


def recipe_values(recipe: Recipe, fields: Iterable[str]) -> dict[str, str]:
    """The declared recipe fields as {"recipe.finetune.epochs": "2", ...}; a table stands for all its keys.

    Of a list of tables, a field names one key of each: "data.earlier.corpus". One of a table that is not there is null.
    """
    found: dict[str, str] = {}
    for field in fields:
        value: Any = recipe.model_dump(mode="json")
        for part in field.split("."):
            if value is not None:
                value = [one[part] for one in value] if isinstance(value, list) else value[part]
        _flatten(f"recipe.{field}", value, found)
    return found


def _flatten(name: str, value: Any, found: dict[str, str]) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _flatten(f"{name}.{key}", inner, found)
    else:
        found[name] = canonical(value)


@cache
def code_hash(module: str) -> str:
    """sha256 over the source of a module, of everything in this repository that it imports, and of its templates."""
    sources = closure(module)
    return sha256_text(canonical({name: sha256_file(path) for name, path in (sources | templates(sources)).items()}))


def closure(module: str) -> dict[str, Path]:
    """The module and its imports inside this repository, transitively, lazy imports included."""
    found: dict[str, Path] = {}
    queue = [module]
    while queue:
        name = queue.pop()
        path = _source(name)
        if path is None or name in found:
            continue
        found[name] = path
        queue += _imports(path)
    return found


def templates(sources: Mapping[str, Path]) -> dict[str, Path]:
    """The templates that sources name, and those that these name in turn, as an include does."""
    found: dict[str, Path] = {}
    queue = list(sources.values())
    while queue:
        text = queue.pop().read_text(encoding="utf-8")
        named = {p.name: p for p in TEMPLATES.iterdir() if p.name in text and p.name not in found}
        found |= named
        queue += named.values()
    return found


def _source(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((p for p in candidates if p.is_file()), None)


def _imports(path: Path) -> Iterable[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in OURS:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in OURS)
