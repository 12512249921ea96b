"""Denoising: spans of a text are hidden, and an encoder-decoder writes them (T5), or the whole text (BART)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.encoder_decoder import Source, batch_of, writing_loss
from models.packing import Tokens, by_tokens
from models.schedule import Batch, Plan
from models.verbaliser import frame

# Tokens of a span, on average (Raffel et al. 2020, section 3.3.4).
SPAN = 3
SENTINEL = "<extra_id_{}>"
SENTINELS = 100


@dataclass(frozen=True)
class Blanks:
    """What stands for hidden spans: the sentinels of a tokenizer, one after another, or its mask every time."""

    marks: tuple[int, ...]
    is_whole: bool  # whether the whole text is written, and not the spans alone
    start: tuple[int, ...]
    end: tuple[int, ...]
    special: frozenset[int]

    @classmethod
    def of(cls, tokenizer: Any) -> Blanks:
        """Those of a tokenizer. Raises ValueError when it has neither."""
        known = tokenizer.get_vocab()
        names = [SENTINEL.format(n) for n in range(SENTINELS)]
        sentinels = tuple(known[name] for name in names if name in known)
        if not sentinels and tokenizer.mask_token_id is None:
            raise ValueError("its tokenizer has neither sentinels (<extra_id_0> ...) nor a mask: nothing can be hidden")
        start, end = frame(tokenizer)
        special = frozenset(tokenizer.all_special_ids)
        marks = sentinels or (tokenizer.mask_token_id,) * SENTINELS
        return cls(marks, not sentinels, tuple(start), tuple(end), special)


def hidden_spans(length: int, share: float, most: int, random: np.random.Generator) -> list[tuple[int, int]]:
    """First and one past the last place of each hidden span of a text; no two touch, and the first place is seen.

    `share` of the tokens are hidden, at least one, in spans of three on average: both the hidden and the seen tokens
    are parted at random (Raffel et al. 2020). A text of one token is hidden whole.
    """
    if length <= 1:
        return [(0, 1)] * length
    hidden = min(length - 1, max(1, round(share * length)))
    count = min(most, hidden, length - hidden, max(1, round(hidden / SPAN)))
    found, place = [], 0
    for seen, size in zip(_parts(length - hidden, count, random), _parts(hidden, count, random), strict=True):
        found.append((place + seen, place + seen + size))
        place += seen + size
    return found


def _parts(total: int, count: int, random: np.random.Generator) -> list[int]:
    cuts = np.sort(random.choice(total - 1, count - 1, replace=False) + 1).tolist() if count > 1 else []
    return [int(part) for part in np.diff([0, *cuts, total])]


def corrupted(
    tokens: Tokens, blanks: Blanks, share: float, random: np.random.Generator
) -> tuple[Source, list[bool], list[tuple[int, int]]]:
    """What is read and written of an unframed text; which written tokens were hidden; and the spans that were.

    With sentinels, what is written are the spans, each after its sentinel; without, the whole text (Lewis et al. 2020).
    """
    spans = hidden_spans(len(tokens), share, len(blanks.marks), random)
    source, target, counted, place = list(blanks.start), list(blanks.start), [False] * len(blanks.start), 0
    for (first, last), mark in zip(spans, blanks.marks, strict=False):
        seen = list(tokens[place:first])
        before = seen if blanks.is_whole else [mark]
        source += [*seen, mark]
        target += [*before, *tokens[first:last]]
        counted += [*[False] * len(before), *[True] * (last - first)]
        place = last
    rest = list(tokens[place:])
    kept = rest if blanks.is_whole else []
    written = [*target, *kept, *blanks.end]
    return ([*source, *rest, *blanks.end], written), counted + [False] * (len(written) - len(counted)), spans


def denoising_plan(tokenizer: Any, documents: Sequence[Tokens], share: float, batch_tokens: int, seed: int) -> Plan:
    """One pass over documents, batched by length; what is hidden depends on seed and place alone."""
    blanks = Blanks.of(tokenizer)
    plain = [[t for t in document if t not in blanks.special] or list(document) for document in documents]

    def collate(items: Sequence[int], epoch: int) -> Batch:
        keys = (np.random.default_rng((seed, epoch, n)) for n in items)
        found = [corrupted(plain[n], blanks, share, random)[0] for n, random in zip(items, keys, strict=True)]
        return batch_of(found, tokenizer.pad_token_id)

    return Plan([by_tokens([len(d) for d in plain], batch_tokens, seed)] if plain else [], collate, writing_loss)
