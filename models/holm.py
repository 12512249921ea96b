"""Many comparisons at once: which of several differences are too large for chance, with one error rate for all."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """The p values corrected for how many there are (Holm 1979), in their order.

    The smallest of m is multiplied by m, the next by m - 1, and so on; none may become smaller than one before it. To
    reject those at most some level is then wrong about any true hypothesis with at most that chance, however the
    comparisons depend on each other: slices overlap.
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected, largest = [0.0] * len(p_values), 0.0
    for before, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - before) * p_values[place]))
        corrected[place] = largest
    return corrected


def chance_below(value: float, error: float, units: int, limit: float) -> float:
    """How probable a value as low as this is, or a lower one, if the true value is the limit: a one-sided t test.

    `error` is the standard error of the value, from so many independent units. Where nothing spreads it is 0 or 1.
    """
    from scipy.special import stdtr

    if error <= 0:
        return float(value >= limit)
    return float(stdtr(units - 1, (value - limit) / error))
