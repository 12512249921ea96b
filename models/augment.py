"""Changed copies of texts: words for which others may stand, by a table or by what a masked model finds likely."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from models import stop
from models.metrics import WORD
from models.words import whole

# Of the words that a masked model finds likely, so many are drawn from.
LIKELIEST = 5
BATCH = 32
# How pieces of SentencePiece, and of GPT-2's bytes, say that a word begins; and from which share of a vocabulary on it
# is one that says so, and not one that happens to hold the letter.
BEGINS, MARKED = ("\u2581", "\u0120"), 0.05


@dataclass(frozen=True)
class Table:
    """For each word, in lower case, those that may stand for it."""

    others: Mapping[str, Sequence[str]]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What finds the words, whatever their case."""
        return whole(self.others, re.IGNORECASE)


def table_of(sets: Iterable[Sequence[str]]) -> Table:
    """The table of sets of words that mean the same."""
    found: dict[str, list[str]] = {}
    for words in sets:
        for word in words:
            others = found.setdefault(word.lower(), [])
            others += [other for other in words if other.lower() != word.lower() and other not in others]
    return Table(found)


def with_synonyms(text: str, table: Table, share: float, seed: str) -> str:
    """The text with a share of its words, one at least, replaced by others of the table where it knows them.

    A longer entry goes before a shorter one within it. The same seed draws the same.
    """
    # Ignoring case matches more than lower case makes equal: a long s, a final sigma.
    places = [match for match in table.pattern.finditer(text) if match[0].lower() in table.others]
    draw = random.Random(seed)  # noqa: S311 - no secret is drawn
    most = max(1, round(share * len(re.findall(WORD, text))))
    swaps = [
        (match.start(), match.end(), draw.choice(list(table.others[match[0].lower()])))
        for match in sorted(draw.sample(places, min(most, len(places))), key=lambda match: match.start())
    ]
    return _swapped(text, swaps)


def with_likely_words(
    model: Any, tokenizer: Any, texts: Sequence[str], share: float, seeds: Sequence[str]
) -> list[str]:
    """Each text with a share of its words, one at least, replaced by others that a masked language model finds likely.

    The words are masked all at once, and each is drawn from the likeliest others (Kobayashi 2018 draws likewise). Only
    words that are one token are replaced. The same seed of a text draws the same.
    """
    pieces, found = _words_of(tokenizer), []
    for start in range(0, len(texts), BATCH):
        stop.check("augmenting")
        batch = texts[start : start + BATCH]
        found += _replaced(model, tokenizer, pieces, batch, share, seeds[start : start + BATCH])
    return found


def _words_of(tokenizer: Any) -> list[str]:
    """What each token says where it is a word, with the space before it; empty for all others.

    Where a vocabulary marks the beginnings of words, a token without the mark goes on with one, and is none itself.
    """
    names = [name or "" for name in tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))]
    said = [tokenizer.convert_tokens_to_string([name]) if name else "" for name in names]
    special = set(tokenizer.all_special_ids)
    begins = next((mark for mark in BEGINS if sum(n.startswith(mark) for n in names) > MARKED * len(names)), "")
    return [
        text if text.strip().isalpha() and number not in special and names[number].startswith(begins) else ""
        for number, text in enumerate(said)
    ]


def _replaced(  # noqa: PLR0913, PLR0917
    model: Any, tokenizer: Any, pieces: Sequence[str], texts: Sequence[str], share: float, seeds: Sequence[str]
) -> list[str]:
    import torch

    read = tokenizer(list(texts), truncation=True, padding=True, return_tensors="pt", return_offsets_mapping=True)
    ids, spans = read["input_ids"], read["offset_mapping"].tolist()
    draws = [np.random.default_rng(list(seed.encode())) for seed in seeds]
    chosen = [_chosen(read, row, ids[row].tolist(), pieces, share, draw) for row, draw in enumerate(draws)]
    masked = ids.clone()
    for row, places in enumerate(chosen):
        masked[row, places] = tokenizer.mask_token_id
    with torch.inference_mode():
        logits = model(input_ids=masked, attention_mask=read["attention_mask"]).logits.float().numpy()
    spaced = np.array([piece.startswith(" ") for piece in pieces])
    is_word = np.array([bool(piece) for piece in pieces])
    found = []
    for row, (text, places, draw) in enumerate(zip(texts, chosen, draws, strict=True)):
        swaps = []
        for place in sorted(places):
            was = int(ids[row, place])
            allowed = is_word & (spaced == spaced[was])
            allowed[was] = False
            token = _drawn(np.where(allowed, logits[row, place, : len(pieces)], -np.inf), draw)
            swaps.append((*spans[row][place], pieces[token].strip()))
        found.append(_swapped(text, swaps))
    return found


def _chosen(read: Any, row: int, ids: Sequence[int], pieces: Sequence[str], share: float, draw: Any) -> list[int]:  # noqa: PLR0913, PLR0917
    """Places of the words to replace."""
    words: dict[int, list[int]] = {}
    for place, word in enumerate(read.word_ids(row)):
        if word is not None:
            words.setdefault(word, []).append(place)
    single = [places[0] for places in words.values() if len(places) == 1 and pieces[ids[places[0]]]]
    count = min(len(single), max(1, round(share * len(words))))
    return sorted(int(place) for place in draw.choice(single, count, replace=False)) if single else []


def _drawn(logits: Any, draw: Any) -> int:
    likeliest = np.argsort(-logits, kind="stable")[:LIKELIEST]
    chances = np.exp(logits[likeliest] - logits[likeliest[0]])
    return int(draw.choice(likeliest, p=chances / chances.sum()))


def _swapped(text: str, swaps: Iterable[tuple[int, int, str]]) -> str:
    """The text with other words at ascending places; a word that began with a capital still does."""
    parts, end = [], 0
    for start, past, word in swaps:
        begin = start + len(text[start:past]) - len(text[start:past].lstrip())
        parts += [text[end:begin], word.capitalize() if text[begin : begin + 1].isupper() else word]
        end = past
    return "".join([*parts, text[end:]])
