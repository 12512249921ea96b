"""A number about some rows, with where they stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pipelines.findings import Place

EXAMPLES = 100  # places kept of a check
SHOWN = 40  # characters of a label


def shown(label: str) -> str:
    """A label as it may be shown: cut after 40 characters, and not at all when it holds personal data."""
    import polars as pl

    from pipelines.personal_data import find

    if len(find(pl.Series([label]))):
        return "(personal data)"
    return repr(label) if len(label) <= SHOWN else f"{label[:SHOWN]!r}..."


@dataclass
class Measure:
    """How many rows a check is about, of how many, where the first stand, and a few words more."""

    rows: int = 0
    of: int = 0
    places: list[Place] = field(default_factory=list)
    words: Counter[str] = field(default_factory=Counter)
    value: float | None = None

    @property
    def share(self) -> float:
        return self.rows / self.of if self.of else 0.0

    def add(self, rows: int, places: Iterable[Place], words: Iterable[str] | Mapping[str, int] = ()) -> None:
        """Count more rows; the first hundred places are kept, and the words that most of them share."""
        self.rows += rows
        for place in places:
            if len(self.places) >= EXAMPLES:
                break
            self.places.append(place)
        if len(self.words) < EXAMPLES:
            self.words.update(words)
