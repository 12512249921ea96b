"""What a search may change: the recipe's `[search]`, its space of settings, and how long it may take."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from itertools import islice, product
from math import prod
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from pipelines.errors import near_miss
from pipelines.recipe_fit import misfits
from pipelines.section import Section

if TYPE_CHECKING:
    from pipelines.recipe import Recipe

TABLE = "finetune"
TRIED = 500  # combinations that are tried against the recipe before it is taken
LISTED = 100  # whole numbers of a range up to which each of them is tried

HOW = "give a list of at least two choices, or a range such as { low = 1e-5, high = 1e-3, log = true }"

Choice = bool | int | float | str


class Values(Section):
    """What a setting may be: one of a list, or a number from `low` to `high`, both included."""

    choices: tuple[Choice, ...] | None = Field(None, strict=False, min_length=2, description="One of these")
    low: int | float | None = Field(None, allow_inf_nan=False, description="The least that is drawn")
    high: int | float | None = Field(None, allow_inf_nan=False, description="The most that is drawn")
    log: bool = Field(False, description="Drawn evenly by size: as many from 1e-5 to 1e-4 as from 1e-4 to 1e-3")

    @model_validator(mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        if isinstance(given, list | tuple):
            return {"choices": given}
        if not isinstance(given, dict | Values):
            raise ValueError(HOW)  # noqa: TRY004 - pydantic takes this one for a wrong value
        return given

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.choices is not None:
            if self.low is not None or self.high is not None or self.log:
                raise ValueError("give a list of choices, or low and high, not both")
            if len({(type(choice), choice) for choice in self.choices}) < len(self.choices):
                raise ValueError("a choice stands there twice")
            return self
        if self.low is None or self.high is None:
            raise ValueError(HOW)
        if self.low >= self.high:
            raise ValueError(f"low is {self.low}, and high is {self.high}; low must be below high")
        if self.log and self.low <= 0:
            raise ValueError(f"log needs a low above 0; it is {self.low}")
        return self

    @property
    def tried(self) -> tuple[Choice, ...]:
        """The values that stand for all: every choice, every whole number of a short range, or a range's two ends."""
        if self.choices is not None:
            return self.choices
        if isinstance(self.low, int) and isinstance(self.high, int) and self.high - self.low < LISTED:
            return tuple(range(self.low, self.high + 1))
        return tuple(end for end in (self.low, self.high) if end is not None)


class Search(Section):
    """How better settings are looked for; judged by the validation rows, never by the test rows."""

    space: dict[str, Values] = Field(min_length=1, description='Such as "finetune.learning_rate"')
    trials: int = Field(20, ge=1, le=10_000, description="Trainings, those that were ended early included")
    minutes: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="No trial begins when the trials together took so long"
    )
    seed: int = Field(7, ge=0, description="Of what is drawn: the same seed, the same trials")
    pruning: Literal["median", "none"] = Field(
        "median", description="Whether a trial ends that is worse than half of the others were after as many epochs"
    )
    workers: int = Field(1, ge=1, le=64, description="Tasks of Airflow that try settings at the same time")

    @field_validator("space", mode="before")
    @classmethod
    def _in_quotes(cls, space: Any) -> Any:
        if isinstance(space, dict) and isinstance(inner := space.get(TABLE), dict):
            key = next(iter(inner), "learning_rate")
            told = f'a key with a point goes in quotes: space."{TABLE}.{key}" = ...'
            raise ValueError(told)  # noqa: TRY004 - pydantic takes this one for a wrong value
        return space


def search_misfits(recipe: Recipe) -> Iterator[str]:
    """What is wrong with the space of a recipe that fits together otherwise: key, problem and cure, one a line."""
    if recipe.search is None:
        return
    known = {f"{TABLE}.{name}": name for name in type(recipe.finetune).model_fields}
    unknown = [key for key in recipe.search.space if key not in known]
    for key in unknown:
        dotted = key if "." in key else f"{TABLE}.{key}"
        yield f"search.space: {key[:40]!r} cannot be searched, only keys of [{TABLE}]; {near_miss(dotted, known)}"
    if (judges := f"{TABLE}.validation_texts") in recipe.search.space:
        yield f"search.space: {judges} says what trials are compared by, and is the same for all; set it in [{TABLE}]"
    elif not unknown:
        yield from islice(_that_cannot_be(recipe, recipe.search.space), 1)


def _that_cannot_be(recipe: Recipe, space: Mapping[str, Values]) -> Iterator[str]:
    """The combinations of a space that make no recipe, and why."""
    for chosen in _combinations(space):
        if problem := unfit(recipe, chosen):
            yield f"search.space: {problem}"


def unfit(recipe: Recipe, chosen: Mapping[str, Any]) -> str | None:
    """Why a recipe with these settings would be refused, or could not be compared with others; None if it would not."""
    try:
        tried = with_settings(recipe, chosen)
    except ValidationError as error:
        first = error.errors()[0]
        key = f"{TABLE}.{first['loc'][0]}"
        return f"{key} may be {chosen[key]!r}: {first['msg']}; change the space"
    if not tried.finetune.epochs:
        return "finetune.epochs may be 0, and what is not trained is not validated; take 1 or more"
    if problem := next(misfits(tried), None):
        told = ", ".join(f"{key} = {value!r}" for key, value in chosen.items())
        return f"{told} do not go together: {problem}"
    return None


def _combinations(space: Mapping[str, Values]) -> Iterator[dict[str, Choice]]:
    """All combinations of the tried values where they are few, else so many that each value is in several."""
    tried = {key: values.tried for key, values in space.items()}
    if prod(map(len, tried.values())) <= TRIED:
        return (dict(zip(tried, chosen, strict=True)) for chosen in product(*tried.values()))
    draw = random.Random(0)  # noqa: S311 - the same every time
    return (
        {key: values[n] if n < len(values) else draw.choice(values) for key, values in tried.items()}
        for n in range(TRIED)
    )


def with_settings(recipe: Recipe, chosen: Mapping[str, Any]) -> Recipe:
    """The recipe with other settings, such as {"finetune.epochs": 3}. Raises ValidationError."""
    values = {key.removeprefix(f"{TABLE}."): value for key, value in chosen.items()}
    finetune = type(recipe.finetune).model_validate(recipe.finetune.model_dump() | values)
    return recipe.model_copy(update={"finetune": finetune})
