"""What the intervals of a comparison cost: 10,000 paired resamples of two models' answers to the same examples.

    .venv/bin/python tests/benchmarks/bootstrap.py [--examples 100000] [--threads 2]

Each line is one metric: the seconds from answers to the interval of the difference, the least of three tries, and those
that all processors worked; the interval; and which of the ways of models/bootstrap.py drew it.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from models import bootstrap, statistics

Statistic = bootstrap.Statistic


def pairs(count: int) -> Iterator[tuple[str, Callable[[], tuple[Statistic, Statistic]]]]:
    """By metric: what makes the statistics of two models of nearly the same quality."""
    random = np.random.default_rng(0)
    for labels in (2, 10, 77):
        truth = random.integers(0, labels, count)
        said = [
            np.where(random.random(count) < share, truth, random.integers(0, labels, count)) for share in (0.8, 0.79)
        ]
        if labels == 2:
            yield "accuracy", lambda said=said, truth=truth: tuple(statistics.mean(one == truth) for one in said)
        named = [[str(one) for one in column] for column in (truth, *said)]
        yield (
            f"macro F1 of {labels} labels",
            lambda named=named: tuple(statistics.macro_f1(named[0], one) for one in named[1:]),
        )
    scores = [np.round(random.beta(2, 3 + skill, count), 6) for skill in (0, 0.01)]
    yield "ROUGE-L", lambda: tuple(statistics.mean(one) for one in scores)
    sizes = random.integers(50, 900, count)
    bits = [np.round(sizes * random.gamma(9, 0.15, count), 4) for _ in range(2)]
    yield "bits per byte", lambda: tuple(statistics.ratio(one, sizes) for one in bits)
    positive = random.random(count) < 0.4
    chances = [np.round(1 / (1 + np.exp(-random.normal(positive, 1))), 6) for _ in range(2)]
    yield "AUC", lambda: tuple(statistics.auc(positive, one) for one in chances)


def timed(
    make: Callable[[], tuple[Statistic, Statistic]], count: int, threads: int
) -> tuple[float, float, bootstrap.Interval, str]:
    """The least time of three, on the clock and of the processors, the interval, and how it was drawn."""
    took, worked = [], []
    for _ in range(3):
        start, busy = time.perf_counter(), time.process_time()
        gap = bootstrap.difference(*make())
        found = bootstrap.interval(gap, range(count), seed=7, threads=threads)
        took.append(time.perf_counter() - start)
        worked.append(time.process_time() - busy)
    way = bootstrap._way(gap, count).__name__ if isinstance(gap, bootstrap.Sums) else "_by_weights"
    return min(took), min(worked), found, way.strip("_").replace("_", " ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=bootstrap.THREADS)
    args = parser.parse_args()
    print(f"{args.examples:,} examples, {bootstrap.RESAMPLES:,} resamples, {args.threads} of {os.cpu_count()} cores")
    for name, make in pairs(args.examples):
        took, worked, found, way = timed(make, args.examples, args.threads)
        spread = f"{found.value:+.4f} ({found.low:+.4f} to {found.high:+.4f})"
        print(f"{name:24} {took:6.2f} s, processors {worked:6.2f} s  {spread}  {way}", flush=True)


if __name__ == "__main__":
    main()
