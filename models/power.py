"""How much a test set can tell: the smallest difference that it detects, and the size that a decision would need.

All of it rests on the normal approximation of an interval's ends, and on half-widths that shrink as 1 / sqrt(n)
(Lehr 1992; Card et al. 2020, "With Little Power Comes Great Responsibility").
"""

from __future__ import annotations

import math
from statistics import NormalDist

POWER = 0.8  # how often what is called detectable is detected
# Values of a report have six digits: what lies nearer to a limit than this lies on it.
DIGITS = 1e-6


def standard_error(low: float, high: float, confidence: float) -> float:
    """The standard error that a two-sided interval speaks of."""
    return (high - low) / (2 * _reach(confidence))


def detectable(low: float, high: float, confidence: float, comparisons: int = 1) -> float:
    """The distance from a limit that is detected POWER of the time, by the interval of a difference as spread as it.

    Of several comparisons it is the one that is corrected most: by their number.
    """
    reach = NormalDist().inv_cdf(1 - (1 - confidence) / 2 / comparisons)
    return standard_error(low, high, confidence) * (reach + NormalDist().inv_cdf(POWER))


def units_needed(units: int, interval: tuple[float, float, float], limit: float, confidence: float) -> int | None:
    """How many units in place of `units` would tell the value from the limit, POWER of the time.

    `interval` is low, value and high. It is assumed that the true difference is the one observed and that other units
    spread as these do. None where the value lies on the limit: no number would tell them apart.
    """
    low, value, high = interval
    distance = abs(value - limit)
    if distance < DIGITS:
        return None
    return math.ceil(units * (detectable(low, high, confidence) / distance) ** 2)


def _reach(confidence: float) -> float:
    """How many standard errors a two-sided interval goes to each side: 1.96 of 95 %."""
    return NormalDist().inv_cdf((1 + confidence) / 2)
