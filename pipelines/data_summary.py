"""What some rows hold, in numbers that are small enough to keep, so that the next rows can be compared with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from math import log2
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

K = TypeVar("K", bound=Hashable)
NAMES = 500  # kept of labels, topics and the like
WORDS = 10_000
OTHERS = "(all others)"
STEPS = 4  # lengths are counted in steps of a quarter of a doubling


class Summary(BaseModel):
    """Rows of one format that no check of rows doubts.

    counts: rows by label, language, script, domain, topic, month ...; only what the rows have.
    lengths: rows by length of their text (and of the answer, where there is one), see `shortest`.
    words: rows by a word that they hold; words in fewer than `rare` rows may be missing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: str
    rows: int = 0
    counts: dict[str, dict[str, int]] = {}
    lengths: dict[str, dict[int, int]] = {}
    words: dict[str, int] = {}
    rare: int = 0

    def plus(self, other: Summary) -> Summary:
        """The summary of both sets of rows; the words in few rows are then known less well."""
        words, rare = most_common(Counter(self.words) + Counter(other.words), WORDS)
        return Summary(
            format=self.format,
            rows=self.rows + other.rows,
            counts={name: capped(_sum(self.counts, other.counts, name).items()) for name in self.counts | other.counts},
            lengths={name: dict(_sum(self.lengths, other.lengths, name)) for name in self.lengths | other.lengths},
            words=words,
            rare=max(rare, self.rare + other.rare),
        )


class Sample(BaseModel):
    """A row that is shown: at most 80 characters of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    line: int
    text: str
    label: str | None


class FileCame(BaseModel):
    """One file that was read: rows that are none of the format, rows that row checks set aside, and a few good ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    rows: int
    wrong: int
    aside: int
    refused: str | None
    samples: tuple[Sample, ...]


class Picture(BaseModel):
    """A set of files as it is shown to people."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    summary: Summary
    files: tuple[FileCame, ...]


def length_step(characters: float) -> int:
    """The step that a length falls into; its inverse is `shortest`."""
    return int(STEPS * log2(max(1, characters)) + 1e-9)


def shortest(step: int) -> float:
    """The shortest length of a step, in characters."""
    return float(2.0 ** (step / STEPS))


def most_common(counted: Counter[str], kept: int) -> tuple[dict[str, int], int]:
    """The names that stand in most rows, and how many rows those that are left out may stand in."""
    order = sorted(counted.items(), key=lambda found: (-found[1], found[0]))
    return dict(order[:kept]), (order[kept][1] if len(order) > kept else 0)


def _sum(ours: Mapping[str, Mapping[K, int]], theirs: Mapping[str, Mapping[K, int]], name: str) -> Counter[K]:
    return Counter(ours.get(name, {})) + Counter(theirs.get(name, {}))


def capped(counted: Iterable[tuple[str, int]], kept: int = NAMES) -> dict[str, int]:
    """Rows by name, those of rarer names added up as OTHERS."""
    order = sorted(counted, key=lambda found: (found[0] == OTHERS, -found[1], found[0]))
    rest = sum(rows for _, rows in order[kept:])
    found = dict(order[:kept])
    if rest:
        found[OTHERS] = found.get(OTHERS, 0) + rest
    return found
