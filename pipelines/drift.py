"""How rows differ from earlier ones: in what shares moved, and in which words."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from math import pi, sqrt
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from pipelines.data_summary import Summary, shortest

K = TypeVar("K", bound=Hashable)
MOST = 8  # names, and words of a kind, that are told
CLEAR = 4.5  # standard errors: by chance, one word in 150,000 differs by as much
LEAST = 0.02  # a smaller shift is none


class Moved(BaseModel):
    """A name's share of the rows, before and now."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    before: float
    now: float


class Shift(BaseModel):
    """How far the shares of a column moved: `distance` of 0 is not at all, 1 that nothing is as it was."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    what: str
    distance: float
    chance: float
    moved: tuple[Moved, ...]

    @property
    def clear(self) -> bool:
        """Whether it is more than the choice of the rows explains."""
        return self.distance > max(LEAST, 2 * self.chance)


class Words(BaseModel):
    """Words whose shares of the rows clearly changed, the clearest first."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    new: tuple[Moved, ...]
    gone: tuple[Moved, ...]
    more: tuple[Moved, ...]
    fewer: tuple[Moved, ...]


class Drift(BaseModel):
    """Everything that moved between two summaries."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    rows: tuple[int, int]
    medians: dict[str, tuple[float, float]]
    shifts: tuple[Shift, ...]
    words: Words


def drift(before: Summary, now: Summary) -> Drift:
    """What moved from one summary to the other; the clearest shifts first."""
    shifts = [shift(name, before.counts.get(name, {}), now.counts.get(name, {}))
              for name in before.counts | now.counts if name != "month"]  # fmt: skip
    both = [name for name in now.lengths if name in before.lengths]
    for name in both:  # in steps, which say little by themselves: the medians are told instead
        moved = shift(f"length of the {name}", before.lengths[name], now.lengths[name])
        shifts.append(moved.model_copy(update={"moved": ()}))
    return Drift(
        rows=(before.rows, now.rows),
        medians={name: (median(before.lengths[name]), median(now.lengths[name])) for name in both},
        shifts=tuple(sorted(shifts, key=lambda shift: -shift.distance)),
        words=words(before, now),
    )


def shift(what: str, before: Mapping[K, int], now: Mapping[K, int]) -> Shift:
    """The total variation distance of two distributions, and what it would be by chance alone."""
    n, m = sum(before.values()), sum(now.values())
    shares = {name: (_share(before.get(name, 0), n), _share(now.get(name, 0), m)) for name in {**before, **now}}
    order = sorted(shares.items(), key=lambda found: (-abs(found[1][1] - found[1][0]), str(found[0])))
    return Shift(
        what=what,
        distance=sum(abs(b - a) for a, b in shares.values()) / 2 if n and m else float(n != m),
        chance=_by_chance(before, now) if n and m else 0.0,
        moved=tuple(Moved(name=str(name), before=a, now=b) for name, (a, b) in order[:MOST] if a != b),
    )


def words(before: Summary, now: Summary) -> Words:
    """Words by the difference of their shares in standard errors (two proportions, pooled).

    A word that a summary does not hold is taken to be as frequent there as it can be without being held.
    """
    found: dict[str, list[tuple[float, Moved]]] = {kind: [] for kind in Words.model_fields}
    for word in before.words.keys() | now.words.keys():
        x, y = before.words.get(word, before.rare), now.words.get(word, now.rare)
        score = _standard_errors(x, before.rows, y, now.rows)
        if abs(score) < CLEAR:
            continue
        kind = "new" if word not in before.words else "gone" if word not in now.words else "more"
        kind = "fewer" if kind == "more" and score < 0 else kind
        if (kind == "new") == (score < 0) and kind in {"new", "gone"}:
            continue
        moved = Moved(name=word, before=_share(before.words.get(word, 0), before.rows),
                      now=_share(now.words.get(word, 0), now.rows))  # fmt: skip
        found[kind].append((-abs(score), moved))
    order = {kind: sorted(some, key=lambda each: (each[0], each[1].name))[:MOST] for kind, some in found.items()}
    return Words(**{kind: tuple(moved for _, moved in some) for kind, some in order.items()})


def median(steps: Mapping[int, int]) -> float:
    """About the median length of rows counted by steps, in characters."""
    half, seen = sum(steps.values()) / 2, 0
    for step in sorted(steps):
        seen += steps[step]
        if seen >= half:
            return sqrt(shortest(step) * shortest(step + 1))
    return 0.0


def _by_chance(before: Mapping[K, int], now: Mapping[K, int]) -> float:
    """The distance to expect of two samples of one population: half the sum of folded normal means."""
    n, m = sum(before.values()), sum(now.values())
    pooled = [(before.get(name, 0) + now.get(name, 0)) / (n + m) for name in {**before, **now}]
    return sum(sqrt(2 / pi * p * (1 - p) * (1 / n + 1 / m)) for p in pooled) / 2


def _standard_errors(x: int, n: int, y: int, m: int) -> float:
    if not n or not m:
        return 0.0
    pooled = (x + y) / (n + m)
    error = sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return (y / m - x / n) / error if error else 0.0


def _share(rows: int, of: int) -> float:
    return rows / of if of else 0.0
