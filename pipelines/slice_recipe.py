"""What a recipe's `[[evaluate.slices]]` may say: which parts of the test set are looked at by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, model_validator

from models.tasks.task import Task
from pipelines.section import Section

if TYPE_CHECKING:
    from pipelines.recipe import Recipe

# What `by` knows that is no column of the rows.
LENGTH, LANGUAGE, LABEL, MONTH = "length", "language", "label", "month"
CONDITIONS = ("equals", "one_of", "at_least", "at_most", "longer_than")
Finite = Annotated[float, Field(allow_inf_nan=False)]
Value = str | bool | int | Finite
Limit = str | int | Finite


class Slice(Section):
    """Either `by`, a slice for each value of something, or one slice with a name: a column and a condition on it."""

    by: str | None = Field(None, min_length=1, description="length, language, label, month, or a column of the rows")
    name: str | None = Field(None, pattern="^[a-z][a-z0-9_]{0,40}$", description="What gates and reports call it")
    column: str | None = Field(None, min_length=1, description="The column that the condition is about")
    equals: Value | None = Field(None, description="The column's value")
    one_of: tuple[Value, ...] | None = Field(None, strict=False, min_length=1, description="Values that it may have")
    at_least: Limit | None = Field(None, description="A number, or a text such as a date")
    at_most: Limit | None = Field(None, description="A number, or a text such as a date")
    longer_than: int | None = Field(None, ge=0, description="Characters of a text, or items of a list")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [key for key in CONDITIONS if getattr(self, key) is not None]
        if self.by is not None:
            if self.name or self.column or given:
                raise ValueError("by makes a slice of each value; leave out name, column and conditions")
        elif not (self.name and self.column and len(given) == 1):
            raise ValueError(f"a slice takes by, or name, column and exactly one of {', '.join(CONDITIONS)}")
        return self

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether a row meets the condition. A row without the column does not, nor does one of another kind."""
        value = row.get(self.column or "")
        if self.equals is not None or self.one_of is not None:
            return any(_same(value, one) for one in self.one_of or (self.equals,))
        if self.longer_than is not None:
            return isinstance(value, str | list) and len(value) > self.longer_than
        limit = self.at_least if self.at_least is not None else self.at_most
        if isinstance(value, bool) or isinstance(value, str) != isinstance(limit, str):
            return False
        if not isinstance(value, str | int | float):
            return False
        return bool(value >= limit if self.at_least is not None else value <= limit)  # type: ignore[operator]


def _same(value: Any, other: Any) -> bool:
    """Whether two values of JSON are the same; true is not 1."""
    return isinstance(value, bool) == isinstance(other, bool) and bool(value == other)


def slice_problems(recipe: Recipe, task: Task) -> Iterator[str]:
    """What is wrong with the recipe's slices: key, problem and cure, one a line."""
    chosen = recipe.evaluate.slices
    taken: set[str] = set()
    for number, one in enumerate(chosen):
        name = str(one.by or one.name)
        if name in taken:
            yield f"evaluate.slices.{number}: {name!r} is the name of another; take one of its own"
        taken.add(name)
        if one.by == LABEL and task.answer not in {"label", "labels"}:
            yield f"evaluate.slices.{number}.by: {task.name} has no scores of one label; leave it out"
    if not chosen and recipe.evaluate.smallest_slice != type(recipe.evaluate).model_fields["smallest_slice"].default:
        yield "evaluate.smallest_slice is for slices, and there are none; add [[evaluate.slices]], or leave it out"
    for number, gate in enumerate(recipe.gates):
        if gate.slices and not chosen:
            yield f"gates.{number}.slices: the recipe names no slices; add [[evaluate.slices]], by = 'length', say"
