"""Cases of behaviour that people write down: what must be answered to a text, and what may change with it.

The three kinds are those of CheckList (Ribeiro et al. 2020): minimum functionality, invariance and direction. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from models.tasks.task import Task
from pipelines.behaviour_recipe import CHANCE_WAYS, Kind
from pipelines.section import Section

# What a case of each kind may say of the answer.
ALLOWED: dict[Kind, tuple[str, ...]] = {
    "minimum": ("label", "contains", "lacks"),
    "invariance": (),
    "directional": ("label", "goes", "by"),
}
Words = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False)]


class Case(Section):
    """One case. `row` holds what a served model is asked, `variants` the columns of it that change."""

    name: str = Field(pattern=r"^\S(.*\S)?$", max_length=80)
    kind: Kind
    about: str = Field("", max_length=40)
    row: dict[str, Any]
    variants: tuple[dict[str, Any], ...] = Field((), strict=False)
    label: str | int | None = None
    contains: Words = ()
    lacks: Words = ()
    goes: str | None = None
    by: float = Field(0.0, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        ends = {"label": self.label is not None, "contains": self.contains, "lacks": self.lacks}
        given = ends | {"goes": self.goes, "by": self.by}
        if idle := [key for key, value in given.items() if value and key not in ALLOWED[self.kind]]:
            raise ValueError(f"{idle[0]} does not go with kind {self.kind!r}; leave it out")
        if bool(self.variants) != (self.kind != "minimum"):
            cure = (
                "has no variants; write a case of each" if self.variants else "needs variants: the columns that change"
            )
            raise ValueError(f"kind {self.kind!r} {cure}")
        return self

    @property
    def wanted(self) -> str:
        """What must be so, in words."""
        if self.kind == "invariance":
            return "the same answer"
        by = f" by more than {self.by:g}" if self.by else ""
        if self.goes in CHANCE_WAYS:
            return f"the probability of {self.label} goes {str(self.goes).replace('_', ' ')}{by}"
        if self.goes:
            return f"{self.goes}{by}{' characters' if by else ''}"
        if self.label is not None:
            return str(self.label)
        return "; ".join(
            f"{what} {', '.join(words)}" for what, words in (("with", self.contains), ("without", self.lacks)) if words
        )

    @property
    def asked(self) -> list[dict[str, Any]]:
        """The row, and the row with each of the changes."""
        return [self.row, *({**self.row, **variant} for variant in self.variants)]


def wrong(case: Case, task: Task, answers: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is wrong with the answers to a case's texts, in words; empty when it passes."""
    said = [answer["prediction"] for answer in answers]
    if case.kind == "minimum":
        return _not_as_wanted(case, said[0])
    if case.kind == "invariance":
        first = _same(said[0])
        return [f"variant {n}: {_told(one)}" for n, one in enumerate(said[1:], 1) if _same(one) != first]
    sizes = [len(one) if task.answer == "text" else chance(answer, str(case.label), task)
             for one, answer in zip(said, answers, strict=True)]  # fmt: skip
    return [f"variant {n}: {_size(sizes[0])} became {_size(size)}" for n, size in enumerate(sizes[1:], 1)
            if not _went(case, sizes[0], size)]  # fmt: skip


def _not_as_wanted(case: Case, said: Any) -> list[str]:
    if case.label is not None:
        return [] if said == str(case.label) else [f"said {_told(said)}"]
    lacking = [word for word in case.contains if word not in said]
    return [f"{word} is not in it" for word in lacking] + [f"{word} is in it" for word in case.lacks if word in said]


def _went(case: Case, before: float, after: float) -> bool:
    """Whether a number went the way that a case says."""
    rise = after - before
    return {
        "up": rise > case.by,
        "down": -rise > case.by,
        "not_up": rise <= case.by,
        "not_down": -rise <= case.by,
        "longer": rise > case.by,
        "shorter": -rise > case.by,
    }[str(case.goes)]


def chance(answer: Mapping[str, Any], label: str, task: Task) -> float:
    """The probability that an answer gives a label."""
    if task.answer == "click":
        return float(answer["probability"] if label == "1" else 1 - answer["probability"])
    return float(answer["probabilities"].get(label, 0.0))


def _same(said: Any) -> Any:
    """An answer without what does not make it another: space."""
    return " ".join(said.split()) if isinstance(said, str) else said


def _told(said: Any) -> str:
    return said if isinstance(said, str) else ", ".join(said) or "no label"


def _size(number: float) -> str:
    return f"{number:,} characters" if isinstance(number, int) else f"{number:.4f}"
