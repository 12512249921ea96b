"""The page of tests/benchmarks/forgetting.py: its results as a table that a person reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.bootstrap import Interval, Statistic, difference, interval
from models.statistics import ratio

# By name of row and seed: bits and bytes of each held-out text, by kind of text.
Results = Mapping[str, Mapping[int, Mapping[str, Sequence[Sequence[float]]]]]
KINDS = ("domain", "general")

INTRODUCTION = """# What continued pretraining gains, and what it forgets

`make forgetting` made this table (`tests/benchmarks/forgetting.py`; it goes on where it was stopped). General text are
product reviews (`{general[file]}`), the domain is law (`{domain[file]}`), both Chinese,
of the folder `data/` beside this project. A `{model}` learns {base[tokens]:,} tokens of reviews from scratch, then
{pretrain[tokens]:,} tokens as each row says, replay included, at a peak rate of {pretrain[learning_rate]:g};
both trainings are the steps `base` and `pretrain` of any recipe. Bits per byte are those of {domain[heldout]} parts of
statutes and of {general[heldout]} reviews that no training has seen: means over {seeds} seeds, and how they changed,
with 95 % intervals (2,000 bootstrap samples of whole documents, the same for all seeds). How the seeds differ is in the
last column: from the least to the greatest change on general text.
"""

HEADER = """| | domain | change | general | change | gained, of naive | forgotten, of naive | seeds |
|---|---|---|---|---|---|---|---|"""


def page(found: Results, groups: Mapping[str, Sequence[str]], told: Mapping[str, Any]) -> str:
    """The whole page: what was done, and a row for each way, all compared with the base of the same seed."""
    seeds = {name: set(of_seed) for name, of_seed in found.items()}
    complete = sorted(set.intersection(*seeds.values()))
    rows = [row(name, found, groups, complete) for name in found]
    told = {**told, "seeds": len(complete)}
    return "\n".join([INTRODUCTION.format(**told), HEADER, *rows, f"\nCode {told['revision']}.\n"])


def row(name: str, found: Results, groups: Mapping[str, Sequence[str]], seeds: Sequence[int]) -> str:
    """One way: bits per byte after it, the change from before, and both changes as shares of the naive way's."""
    cells = [name]
    shares = {}
    for kind in KINDS:
        after = interval(bits(found[name], kind, seeds), groups[kind], seed=1, resamples=1)
        cells.append(f"{after.value:.3f}")
        cells.append("" if name == "base" else said(change(name, found, groups, kind, seeds)))
        naive = change("naive", found, groups, kind, seeds).value
        shares[kind] = change(name, found, groups, kind, seeds).value / naive
    each = [change(name, found, groups, "general", [seed]).value for seed in seeds]
    last = [f"{shares['domain']:.0%}", f"{shares['general']:.0%}", f"{min(each):+.3f} to {max(each):+.3f}"]
    told = ["", "", ""] if name == "base" else last
    return "| " + " | ".join([*cells, *told]) + " |"


def bits(of_seed: Mapping[int, Any], kind: str, seeds: Sequence[int]) -> Statistic:
    """Bits per byte on one kind of text, the mean over seeds."""
    each = [ratio(*zip(*of_seed[seed][kind], strict=True)) for seed in seeds]
    return lambda weights: sum(statistic(weights) for statistic in each) / len(each)


def change(name: str, found: Results, groups: Mapping[str, Sequence[str]], kind: str, seeds: Sequence[int]) -> Interval:
    after, before = (bits(found[way], kind, seeds) for way in (name, "base"))
    return interval(difference(after, before), groups[kind], seed=1, resamples=2000)


def said(found: Interval) -> str:
    """A change with its interval, such as -0.812 (-0.840 to -0.780)."""
    return f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"
