"""Whether written texts repeat what a model was trained to write, character for character."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence


def copied(answers: Sequence[str], own: Sequence[str], targets: Iterable[str], run: int) -> list[str]:
    """For each answer a run of `run` or more characters that it shares with a target, or "" where there is none.

    What stands in what the model read for that answer (`own`) is no memory of training, and is not counted. Of white
    space only where it stands counts. That a long run is told from chance is the definition of Carlini et al. 2023,
    "Quantifying Memorization Across Neural Language Models", who take 50 tokens.
    """
    answers, own = [_plain(text) for text in answers], [_plain(text) for text in own]
    half = run // 2
    known: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for number, text in enumerate(answers):
        for place in range(len(text) - half + 1) if len(text) >= run else ():
            known[text[place : place + half]].append((number, place))
    found = [""] * len(answers)
    for target in dict.fromkeys(map(_plain, targets)):
        # A shared run holds a whole block of half its length, wherever it begins: only those are looked up.
        for start in range(0, len(target) - half + 1, half):
            for number, place in known.get(target[start : start + half], ()):
                if not found[number]:
                    shared = _around(answers[number], place, target, start)
                    found[number] = shared if _learned(shared, own[number], run) else ""
    return found


def _plain(text: str) -> str:
    return " ".join(text.split())


def _around(one: str, place: int, other: str, start: int) -> str:
    """The longest run that two texts share around a place of each."""
    left = 0
    while min(place, start) > left and one[place - left - 1] == other[start - left - 1]:
        left += 1
    right = 0
    while min(len(one) - place, len(other) - start) > right and one[place + right] == other[start + right]:
        right += 1
    return one[place - left : place + right]


def _learned(shared: str, own: str, run: int) -> bool:
    """Whether some part of a run that is long enough does not stand in what was read."""
    return any(shared[place : place + run] not in own for place in range(len(shared) - run + 1))
