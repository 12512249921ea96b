"""The recipe: one frozen, strict file that says what a content model is."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from models.tasks import TASKS
from pipelines.errors import Refused, near_miss

Objective = Literal["masked", "causal"]
Method = Literal["full", "head", "lora"]


# The trigger form's short names, and the recipe key that each one sets.
PARAMETERS = {
    "base": "base.model",
    "method": "finetune.method",
    "tokens": "pretrain.tokens",
    "epochs": "finetune.epochs",
    "learning_rate": "finetune.learning_rate",
    "seed": "seed",
}


class Section(BaseModel):
    """A table of a recipe: frozen, and strict about what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Replay(Section):
    """General text mixed into continued pretraining, so that old knowledge is not forgotten."""

    corpus: str
    share: float = Field(0.1, ge=0, lt=1, description="Share of the training tokens that are replayed text")


class Data(Section):
    """Which parts of the versioned data this model learns from."""

    corpus: str = Field(description="Unlabelled text of the domain, below data/")
    examples: str = Field(description="Folder below data/ with train, validation and test .jsonl")
    replay: Replay


class Scratch(Section):
    """A base model made here: a configuration of `models/backbone.py` with its own tokenizer."""

    scratch: str


class Base(Section):
    """Where training starts. A pinned digest is always verified."""

    model: str | Scratch = Field(description="hf://org/name, a folder, or { scratch = name }")
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="Digest of model.safetensors")
    tokens: int = Field(0, ge=0, description="Tokens that fit a missing language-model head, or the scratch model")
    learning_rate: float = Field(1e-3, gt=0, lt=1)


class Pretrain(Section):
    """Continued pretraining on the domain."""

    objective: Objective
    tokens: int = Field(ge=0, description="Training tokens, replay included; 0 leaves the base as it is")
    learning_rate: float = Field(5e-5, gt=0, lt=1)
    batch_tokens: int = Field(4096, ge=64, description="Tokens of one optimiser step")
    block: int = Field(128, ge=16, le=4096, description="Tokens of one training sequence")
    mask: float = Field(0.15, gt=0, lt=1, description="Share of tokens to predict (masked objective)")


class Finetune(Section):
    """Training on the task's examples."""

    method: Method = "full"
    epochs: int = Field(2, ge=1, le=100)
    learning_rate: float = Field(5e-5, gt=0, lt=1)
    batch_size: int = Field(32, ge=1, le=4096)
    max_length: int = Field(128, ge=16, le=4096, description="Tokens after which a text is cut")
    weight_decay: float = Field(0.01, ge=0, lt=1)
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of activations dropped while training")
    frozen_layers: int | None = Field(
        None, ge=0, description="Lowest layers that stay as they are, the embeddings with them; 0: these alone"
    )
    early_stopping: int = Field(0, ge=0, description="Epochs without a better validation score; 0 never stops")
    rank: int = Field(16, ge=1, le=512, description="Rank of LoRA's matrices")


class Evaluate(Section):
    """How the result is judged."""

    control: bool = Field(True, description="Also fine-tune without continued pretraining, to say what that did")


class Gate(Section):
    """One condition on the report. Exactly one of at_least, at_most, above, not_below."""

    metric: str
    at_least: float | None = None
    at_most: float | None = None
    above: Literal["baseline"] | None = None
    not_below: Literal["champion"] | None = None
    margin: float = Field(0.0, ge=0)
    confidence: float = Field(0.95, gt=0.5, lt=1)

    @model_validator(mode="after")
    def _one_condition(self) -> Self:
        given = [k for k in ("at_least", "at_most", "above", "not_below") if getattr(self, k) is not None]
        if len(given) != 1:
            raise ValueError(f"a gate takes exactly one of at_least, at_most, above, not_below; got {given or 'none'}")
        return self


class Review(Section):
    """Who may approve, and for how long an approval holds."""

    reviewers: tuple[str, ...] = Field(min_length=1, strict=False)
    expires_days: int = Field(7, ge=1, le=365)


class Retrain(Section):
    """When Airflow starts a run by itself."""

    cron: str | None = None


class Recipe(Section):
    """What a content model is; all that a new product needs."""

    name: str = Field(pattern="^[a-z][a-z0-9_]{1,60}$")
    description: str
    task: str
    language: tuple[Literal["en", "zh"], ...] = Field(("en",), strict=False)
    seed: int = Field(7, ge=0)
    data: Data
    base: Base
    pretrain: Pretrain
    finetune: Finetune = Finetune()
    evaluate: Evaluate = Evaluate()
    gates: tuple[Gate, ...] = Field((), strict=False)
    review: Review
    retrain: Retrain = Retrain()

    @field_validator("task")
    @classmethod
    def _known_task(cls, task: str) -> str:
        if task not in TASKS:
            raise ValueError(f"there is no such task; {near_miss(task, TASKS)}")
        return task


def load_recipe(path: Path, overrides: dict[str, Any] | None = None) -> Recipe:
    """Read a recipe file, with dotted overrides such as {"finetune.epochs": 3}.

    Raises Refused, naming file, key and the near miss, for anything it does not know.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        names = [p.stem for p in path.parent.glob("*.toml")]
        raise Refused(f"no recipe {path.stem!r} in {path.parent}; {near_miss(path.stem, names)}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Refused(f"{path} is not TOML: {error}") from None
    for key, value in (overrides or {}).items():
        _set(values, key, value)
    recipe = parse_recipe(values, path.name)
    if recipe.name != path.stem:
        raise Refused(f"{path}: name is {recipe.name!r}, but the file is {path.stem!r}; make them the same")
    return recipe


def overrides_from_form(recipe: Recipe, form: dict[str, Any]) -> dict[str, Any]:
    """The recipe keys that a filled-in trigger form changes; another base loses the pinned digest of the recipe's own.

    Raises Refused for a parameter that the form does not have.
    """
    if unknown := sorted(set(form) - set(PARAMETERS)):
        raise Refused(f"unknown parameter {unknown[0]!r}; {near_miss(unknown[0], [*PARAMETERS, 'refresh'])}")
    shown = form_values(recipe)
    changed = {PARAMETERS[name]: value for name, value in form.items() if value != shown[name]}
    return changed | ({"base.sha256": None} if "base.model" in changed else {})


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
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise Refused("\n".join(f"{source}: {_explain(e)}" for e in error.errors())) from None


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    *tables, last = key.split(".")
    for table in tables:
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            raise Refused(f"{key}: {table} is not a table of the recipe")
    values[last] = value


def _explain(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"unknown key {place!r}; {near_miss(str(error['loc'][-1]), _fields(error['loc'][:-1]))}"
    if error["type"] == "missing":
        return f"{place} is missing; a recipe needs it"
    return f"{place}: {error['msg']} (got {error['input']!r})"


def _fields(place: tuple[str | int, ...]) -> list[str]:
    """The keys allowed at a place of the recipe."""
    section: type[BaseModel] = Recipe
    for part in place:
        if isinstance(part, int) or part not in section.model_fields:
            continue
        section = _section_of(section.model_fields[part].annotation)
    return list(section.model_fields)


def _section_of(annotation: Any) -> type[BaseModel]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(_section_of(a) for a in getattr(annotation, "__args__", ()) if a is not Ellipsis and a is not str)
