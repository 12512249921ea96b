"""How sure a score is: percentile intervals by the bootstrap, paired where two models answer the same examples.

The same statistic and seed have the same resamples on any number of threads, which only share the work.

Metrics that are a function of sums over the examples (`Sums`) are resampled without ever holding a weight for each
example, in one of three ways:
- Few distinct examples (an answer is right or wrong, a confusion matrix has few cells): how often each kind is drawn is
  multinomial. That is Efron's bootstrap exactly (Efron & Tibshirani 1993, chapter 6), only drawn at once.
- Up to ORDINARY units, whatever they are: Efron's bootstrap, one draw with replacement after the other.
- More units than that, and many distinct ones: each counts twice or not at all, by the toss of a coin. This is the
  "double-or-nothing" bootstrap (Owen & Eckles 2012), whose weights have mean 1 and variance 1 as Efron's have; the
  two agree as 1 / sqrt(n) vanishes (Praestgaard & Wellner 1993).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import ArrayLike, NDArray

# A metric as a function of weights, shape (resamples, examples): how often each example was drawn.
Statistic = Callable[[Any], Any]

RESAMPLES = 10_000
CHUNK = 5_000  # resamples that one generator draws
THREADS = 2
ORDINARY = 20_000  # units up to which draws are made one by one
KINDS, FEW = 500, 16  # kinds up to which it is counted how often each is drawn; and units that each stands for
NARROW = 8  # columns that are summed draw by draw; more of them are multiplied by counts
TOGETHER = 10  # units whose coins are tossed at once
BATCH = 64  # times that TOGETHER units are held at once
BLOCK = 1_000_000  # numbers held at once by each thread


@dataclass(frozen=True)
class Interval:
    """A value with the bounds that hold it with the stated confidence."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Sums:
    """A metric that the sums of some numbers over the examples determine.

    `kind`, shape (examples,), says which of `rows`, shape (kinds, columns), an example adds; `value` makes values,
    shape (resamples,), of sums, shape (resamples, columns).
    """

    kind: NDArray[Any]
    rows: NDArray[Any]
    value: Callable[[NDArray[Any]], NDArray[Any]]

    def __call__(self, weights: NDArray[Any]) -> NDArray[Any]:
        return self.value(product(weights, self.rows[self.kind]))


def sums(table: ArrayLike, value: Callable[[NDArray[Any]], NDArray[Any]]) -> Sums:
    """The statistic whose numbers stand in a table of shape (examples, columns)."""
    import numpy as np

    rows, kind = np.unique(np.asarray(table), axis=0, return_inverse=True)
    return Sums(kind.reshape(-1), rows.astype(float), value)


def difference(one: Statistic, other: Statistic) -> Statistic:
    """`one` minus `other` on the same resample: its interval is that of the paired bootstrap."""
    import numpy as np

    if not (isinstance(one, Sums) and isinstance(other, Sums)):
        return lambda weights: one(weights) - other(weights)
    pairs, kind = np.unique(one.kind * len(other.rows) + other.kind, return_inverse=True)
    ours, theirs = one.rows[pairs // len(other.rows)], other.rows[pairs % len(other.rows)]
    # Both divide by the same sizes, say: what is the same of both is summed once.
    own = np.ones(theirs.shape[1], bool) if ours.shape != theirs.shape else (ours != theirs).any(axis=0)
    width = ours.shape[1]
    place = np.where(own, width - 1 + np.cumsum(own), np.arange(len(own)))
    rows = np.concatenate([ours, theirs[:, own]], axis=1)
    return Sums(kind, rows, lambda both: one.value(both[:, :width]) - other.value(both[:, place]))


def interval(  # noqa: PLR0913
    statistic: Statistic,
    groups: Sequence[Hashable],
    *,
    seed: int,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    threads: int = THREADS,
) -> Interval:
    """Percentile bootstrap interval of a statistic (Efron & Tibshirani 1993, chapter 13).

    `groups` names the group of each example; whole groups are drawn, for errors within one are not independent.
    """
    import numpy as np

    found = resampled(statistic, groups, seed=seed, resamples=resamples, threads=threads)
    value = float(statistic(np.ones((1, len(groups))))[0])
    # A resample may hold one label only, of which some statistics say nothing.
    known = found[np.isfinite(found)]
    low, high = np.quantile(known if len(known) else [value], [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high))


def resampled(
    statistic: Statistic, groups: Sequence[Hashable], *, seed: int, resamples: int = RESAMPLES, threads: int = THREADS
) -> NDArray[Any]:
    """The statistic of each resample, shape (resamples,): the same for the same seed, on any number of threads."""
    import numpy as np

    unit, units = _units(groups)
    if isinstance(statistic, Sums):
        by_unit = statistic if units == len(groups) else _grouped(statistic, unit, units)
        draw = partial(_way(by_unit, units), by_unit, units)
    else:
        draw = partial(_by_weights, statistic, unit, units)
    sizes = [min(CHUNK, resamples - start) for start in range(0, resamples, CHUNK)]
    chunks = [partial(draw, np.random.default_rng([seed, number]), size) for number, size in enumerate(sizes)]
    if min(threads, len(chunks)) < 2:
        return np.concatenate([chunk() for chunk in chunks])
    with ThreadPoolExecutor(threads) as pool:
        return np.concatenate(list(pool.map(lambda chunk: chunk(), chunks)))


def product(weights: NDArray[Any], rows: NDArray[Any]) -> NDArray[Any]:
    """Sums of rows by weights: (resamples, kinds) and (kinds, columns) -> (resamples, columns).

    BLAS adds in an order that depends on its threads. That is nothing to sums of whole numbers, which are exact.
    """
    import numpy as np

    if np.array_equal(rows, np.trunc(rows)):
        return np.asarray(weights.astype(float, copy=False) @ rows)
    return np.asarray(np.einsum("rk,kc->rc", weights, rows))


def _units(groups: Sequence[Hashable]) -> tuple[NDArray[Any], int]:
    """The number of the group of each example, in order of appearance, and how many there are."""
    import numpy as np

    number = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    return np.fromiter((number[group] for group in groups), int, len(groups)), len(number)


def _grouped(statistic: Sums, unit: NDArray[Any], units: int) -> Sums:
    """The same statistic of whole groups."""
    import numpy as np

    table = statistic.rows[statistic.kind]
    columns = [np.bincount(unit, column, units) for column in table.T]
    return sums(np.stack(columns, axis=1), statistic.value)


def _way(statistic: Sums, units: int) -> Callable[[Sums, int, Generator, int], NDArray[Any]]:
    if len(statistic.rows) <= min(KINDS, units // FEW):
        return _by_kinds
    return _one_by_one if units <= ORDINARY else _by_coins


def _by_kinds(statistic: Sums, units: int, random: Generator, resamples: int) -> NDArray[Any]:
    import numpy as np

    kinds = len(statistic.rows)
    shares = np.bincount(statistic.kind, minlength=kinds) / units
    blocks = _blocks(resamples, kinds)
    drawn = [product(random.multinomial(units, shares, size), statistic.rows) for size in blocks]
    return statistic.value(np.concatenate(drawn))


def _one_by_one(statistic: Sums, units: int, random: Generator, resamples: int) -> NDArray[Any]:
    import numpy as np

    kinds, columns = statistic.rows.shape
    table = np.ascontiguousarray(statistic.rows[statistic.kind].T)
    found = []
    for size in _blocks(resamples, units):
        drawn = random.integers(0, units, (size, units), dtype=np.int32)
        if columns <= NARROW:
            found.append(np.stack([column[drawn].sum(1) for column in table], axis=1))
        else:
            places = statistic.kind[drawn] + np.arange(size)[:, None] * kinds
            counts = np.bincount(places.ravel(), minlength=size * kinds).reshape(size, kinds)
            found.append(product(counts, statistic.rows))
    return statistic.value(np.concatenate(found))


def _by_coins(statistic: Sums, units: int, random: Generator, resamples: int) -> NDArray[Any]:
    """TOGETHER units share a number, whose bits are their coins: what they add together is looked up.

    Units of a kind stand together, so that most columns of a wide table are zero for all of them.
    """
    import numpy as np

    rows = statistic.rows[np.sort(statistic.kind)]
    table = np.concatenate([rows, np.zeros((-units % TOGETHER, rows.shape[1]))]).reshape(-1, TOGETHER, rows.shape[1])
    found = np.zeros((rows.shape[1], resamples))
    for start in range(0, len(table), BATCH):
        part = table[start : start + BATCH]
        coins = random.integers(0, 2**TOGETHER, (len(part), resamples), dtype=np.uint16).astype(np.intp)
        place, column = np.nonzero(part.any(axis=1))
        for mine, into, subsets in zip(place.tolist(), column.tolist(), _subsets(part[place, :, column]), strict=True):
            found[into] += subsets.take(coins[mine])
    return statistic.value(found.T)


def _subsets(numbers: NDArray[Any]) -> NDArray[Any]:
    """Twice the sum of each subset: (places, TOGETHER) -> (places, 2 ** TOGETHER), where bits say who is in it."""
    import numpy as np

    found = np.zeros((len(numbers), 1))
    for one in numbers.T:
        found = np.concatenate([found, found + 2 * one[:, None]], axis=1)
    return found


def _by_weights(
    statistic: Statistic, unit: NDArray[Any], units: int, random: Generator, resamples: int
) -> NDArray[Any]:
    """Of any statistic: Efron's bootstrap, with the weights of a block of resamples at once."""
    import numpy as np

    found = []
    for size in _blocks(resamples, len(unit)):
        drawn = random.integers(0, units, (size, units)) + np.arange(size)[:, None] * units
        weights = np.bincount(drawn.ravel(), minlength=size * units).reshape(size, units)
        found.append(statistic(weights[:, unit].astype(float)))
    return np.concatenate(found)


def _blocks(resamples: int, width: int) -> list[int]:
    """Resamples in parts that hold at most BLOCK numbers of this width."""
    most = max(1, BLOCK // max(1, width))
    return [min(most, resamples - start) for start in range(0, resamples, most)]
