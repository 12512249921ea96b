"""Reading a recipe file, with what a command line or a trigger form changes; every mistake is named with its cure."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pipelines.errors import Refused, near_miss
from pipelines.recipe import Recipe
from pipelines.settings import Settings

Form = TypeVar("Form", bound=BaseModel)

# What is true of the recipe's own base alone.
OF_ONE_BASE = ("base.sha256", "base.files_sha256", "base.artifact")
# The trigger form's short names, and the recipe key that each one sets.
PARAMETERS = {
    "base": "base.model",
    "method": "finetune.method",
    "tokens": "pretrain.tokens",
    "epochs": "finetune.epochs",
    "learning_rate": "finetune.learning_rate",
    "seed": "seed",
}
SHORT = {key: name for name, key in PARAMETERS.items()}


def load_recipe(path: Path, overrides: dict[str, Any] | None = None) -> Recipe:
    """Read a recipe file, with dotted overrides such as {"finetune.epochs": 3}.

    Raises Refused, naming file, key and the near miss, for anything it does not know.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        names = [p.stem for p in path.parent.glob("*.toml")]
        raise Refused(f"no recipe {path.stem!r} in {path.parent}; {near_miss(path.stem, names)}") from None
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Refused(f"{path} is not TOML: {error}") from None
    for key, value in (overrides or {}).items():
        _set(values, key, value)
    recipe = parse_recipe(values, path.name)
    if recipe.name != path.stem:
        raise Refused(f"{path}: name is {recipe.name!r}, but the file is {path.stem!r}; make them the same")
    return recipe


def recipe_named(name: str, settings: Settings) -> Recipe:
    """The recipe of that name as its file stands. Raises Refused with the near miss when there is none."""
    return load_recipe(settings.recipes / f"{name}.toml")


def require_readable(folder: Path) -> None:
    """Raise Refused, saying why, when a recipe of a folder cannot be read."""
    problems = []
    for path in sorted(folder.glob("*.toml")):
        try:
            load_recipe(path)
        except Refused as refused:
            problems.append(str(refused))
    if problems:
        raise Refused("\n".join(problems))


def overrides_from_form(recipe: Recipe, form: dict[str, Any]) -> dict[str, Any]:
    """The recipe keys that a filled-in trigger form changes; another base loses the pinned digests of the recipe's own.

    Raises Refused for a parameter that the form does not have.
    """
    if unknown := sorted(set(form) - set(PARAMETERS)):
        raise Refused(f"unknown parameter {unknown[0]!r}; {near_miss(unknown[0], [*PARAMETERS, 'refresh'])}")
    shown = form_values(recipe)
    changed = {PARAMETERS[name]: value for name, value in form.items() if value != shown[name]}
    return changed | (dict.fromkeys(OF_ONE_BASE) if "base.model" in changed else {})


def taken_refresh(values: dict[str, Any]) -> bool:
    """Take `refresh` out of a form or changes: whether every step shall be made anew. Raises Refused for a word."""
    refresh = values.pop("refresh", False)
    if not isinstance(refresh, bool):
        raise Refused(f"refresh is {refresh!r}; it takes true or false")
    return refresh


def form_values(recipe: Recipe) -> dict[str, Any]:
    """What the trigger form shows before anybody changes it: the recipe's own values."""
    model = recipe.base.model
    return {
        "base": model if isinstance(model, str) else model.scratch,
        "method": recipe.finetune.method,
        "tokens": recipe.pretrain.tokens,
        "epochs": recipe.finetune.epochs,
        "learning_rate": recipe.finetune.learning_rate,
        "seed": recipe.seed,
    }


def parse_recipe(values: dict[str, Any], source: str) -> Recipe:
    """Build a recipe from plain values; `source` names their origin in messages."""
    return parsed(Recipe, values, source)


def parsed(form: type[Form], values: dict[str, Any], source: str) -> Form:
    """Plain values as a strict model. Raises Refused, naming key and near miss, for anything that it does not know."""
    try:
        return form.model_validate(values)
    except ValidationError as error:
        problems = [line for e in error.errors() for line in _explain(e, form).splitlines()]
        raise Refused("\n".join(f"{source}: {problem}" for problem in problems)) from None


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    *tables, last = key.split(".")
    for table in tables:
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            raise Refused(f"{key}: {table} is not a table of the recipe")
    values[last] = value


def _explain(error: Any, form: type[BaseModel]) -> str:
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"unknown key {place!r}; {near_miss(str(error['loc'][-1]), _fields(error['loc'][:-1], form))}"
    if error["type"] == "missing":
        return f"{place} is missing; a {form.__name__.lower()} needs it"
    told = f"{place}: {error['msg'].removeprefix('Value error, ')}".removeprefix(": ")
    # Of a whole table, the message says what is wrong with it.
    return told if isinstance(error["input"], dict) else f"{told} (got {error['input']!r})"


def _fields(place: tuple[str | int, ...], section: type[BaseModel]) -> list[str]:
    """The keys allowed at a place of a recipe or a policy."""
    for part in place:
        if isinstance(part, int) or part not in section.model_fields:
            continue
        section = _section_of(section.model_fields[part].annotation)
    return list(section.model_fields)


def _section_of(annotation: Any) -> type[BaseModel]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(_section_of(a) for a in getattr(annotation, "__args__", ()) if a is not Ellipsis and a is not str)
