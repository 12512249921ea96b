"""Changes of a text after which a person would say the same of it: CheckList's invariances (Ribeiro et al. 2020)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import cache
from random import Random
from typing import Any

TYPO_EVERY = 20  # Latin letters
DOUBLED = 0.2  # of the spaces
LATIN = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f"
NEIGHBOURS = re.compile(f"(?=[{LATIN}]{{2}})")
# From an ASCII character to its full-width form.
TO_FULL = 0xFEE0


def typos(text: str, random: Random) -> str:
    """Neighbouring Latin letters swapped within words, one pair for every 20 letters, one at least; others stay."""
    places = [m.start() for m in NEIGHBOURS.finditer(text) if text[m.start()] != text[m.start() + 1]]
    letters, last = list(text), -1
    wanted = max(1, len(re.findall(f"[{LATIN}]", text)) // TYPO_EVERY)
    for place in sorted(random.sample(places, min(wanted, len(places)))):
        if place > last:
            letters[place : place + 2] = letters[place + 1], letters[place]
            last = place + 1
    return "".join(letters)


def spaces(text: str, random: Random) -> str:
    """A space before and after the text, and a fifth of those within it doubled."""
    return f" {re.sub(' ', lambda _: '  ' if random.random() < DOUBLED else ' ', text)} "


def width(text: str, _: Random) -> str:
    """Full-width forms made half-width, and ASCII digits and punctuation full-width; half-width letters stay."""
    return "".join(map(_other_width, text))


def _other_width(character: str) -> str:
    if unicodedata.east_asian_width(character) == "F":
        return unicodedata.normalize("NFKC", character)
    changes = character.isascii() and character.isprintable() and not character.isalpha() and character != " "
    return chr(ord(character) + TO_FULL) if changes else character


def script(text: str, _: Random) -> str:
    """Chinese in the other script: simplified characters made traditional, or traditional ones simplified (OpenCC)."""
    traditional = _converted(text, "s2t")
    return traditional if traditional != text else _converted(text, "t2s")


def _converted(text: str, way: str) -> str:
    return str(_converter(way).convert(text))


@cache
def _converter(way: str) -> Any:
    from opencc import OpenCC

    return OpenCC(way)


KINDS: Mapping[str, Callable[[str, Random], str]] = {
    "typos": typos,
    "lower_case": lambda text, _: text.lower(),
    "upper_case": lambda text, _: text.upper(),
    "spaces": spaces,
    "width": width,
    "script": script,
}


def perturbed(kind: str, text: str, seed: str) -> str:
    """The text after a change of this kind: the same for the same seed, on any machine."""
    return KINDS[kind](text, Random(f"{kind} {seed}"))  # noqa: S311 - typos are no secret
