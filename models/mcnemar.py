"""McNemar's test: which of two classifiers is right more often on the same examples, by where only one of them is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any


def mcnemar(ours: Sequence[bool], theirs: Sequence[bool], groups: Sequence[Hashable]) -> dict[str, Any]:
    """{won, lost, p}: the groups in which one has more right answers than the other, and the two-sided mid-p value.

    Where every example is a group of its own this is McNemar's test with the mid-p value, which keeps its level and
    is less timid than the exact one (Fagerland, Lydersen & Laake 2013). Examples of one group are not independent:
    a group then counts once, whichever way it goes, which is the sign test.
    """
    from scipy.special import bdtr

    lead: Counter[Hashable] = Counter()
    for one, other, group in zip(ours, theirs, groups, strict=True):
        lead[group] += int(one) - int(other)
    won, lost = sum(n > 0 for n in lead.values()), sum(n < 0 for n in lead.values())
    fewer, split = min(won, lost), won + lost
    # Twice the chance of fewer, less the chance of just as few: each tail to its middle.
    p = bdtr(fewer, split, 0.5) + (bdtr(fewer - 1, split, 0.5) if fewer else 0.0)
    return {"won": won, "lost": lost, "p": round(float(min(1.0, p)), 6)}
