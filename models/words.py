"""Where the words of a text begin, and so which of its tokens belong together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from tempfile import TemporaryDirectory
from typing import Any

from models.metrics import RANGES, is_cjk

# A run of letters and digits, or one character that is none, as BERT's own tokenizer has it.
WORD = re.compile(r"\w+|\W")


def whole(entries: Iterable[str], flags: int = 0) -> re.Pattern[str]:
    """What finds any of the entries, the longest first: whole where words are written with spaces, Chinese anywhere."""
    inside = rf"[^\W{RANGES}]"  # letters of a word that would go on; Latin names stand right beside Chinese characters
    known = sorted(entries, key=lambda entry: (-len(entry), entry))
    parts = [re.escape(entry) for entry in known if any(map(is_cjk, entry))]
    # One look around all others, and not one around each: they are then told apart by their first letters, which is ten
    # times as fast. One that begins as a Chinese one does is the shorter of both.
    if spaced := [re.escape(entry) for entry in known if not any(map(is_cjk, entry))]:
        parts.append(rf"(?<!{inside})(?:{'|'.join(spaced)})(?!{inside})")
    return re.compile("|".join(parts) or "(?!)", flags)


@cache
def jieba_tokenizer() -> Any:
    """jieba, which cuts Chinese into words, with its own dictionary."""
    import jieba

    jieba.setLogLevel("ERROR")
    chinese = jieba.Tokenizer()
    # Its cache is a marshalled file that anybody might have put into a shared temporary folder.
    with TemporaryDirectory(prefix="jieba-") as folder:
        chinese.tmp_dir = folder
        chinese.initialize()
    return chinese


def beginnings(text: str) -> set[int]:
    """The characters at which words begin: as jieba cuts a text with any Chinese in it, else by what is no letter."""
    if any(map(is_cjk, text)):
        return {start for _, start, _ in jieba_tokenizer().tokenize(text)}
    return {match.start() for match in WORD.finditer(text)}


def word_numbers(text: str, offsets: Sequence[tuple[int, int]]) -> list[int]:
    """For each token, given with where it begins and ends in the text, the number of its word.

    A token that reaches into the next word makes one of both, and the bytes of one character stay together.
    """
    begin, number, last, found = beginnings(text), 0, -1, []
    for start, _ in offsets:
        number += start in begin and start > last
        last = start
        found.append(number)
    return found
