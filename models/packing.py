"""Which texts stand together in a batch: packed into blocks for decoders, grouped by length for all else."""

from __future__ import annotations

import bisect
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily

Tokens = Sequence[int]
# The label that no loss counts, as torch's cross-entropy and transformers have it.
IGNORED = -100
# Batches are cut from runs of this many: alike enough in length, random enough in content.
RUN = 50
# What a piece that is not seen would move a logit by, rounding apart.
ROUNDING = 1e-4


def pieces(documents: Sequence[Tokens], block: int) -> list[list[int]]:
    """Cut tokenised documents into pieces of at most `block` tokens, in order; single tokens are left out."""
    cut = (list(d[start : start + block]) for d in documents for start in range(0, len(d), block))
    return [piece for piece in cut if len(piece) > 1]


def best_fit(lengths: Sequence[int], block: int) -> list[list[int]]:
    """Put pieces into blocks, longest first, each into the fullest block that still takes it (best-fit decreasing).

    Returns the piece numbers of every block; their lengths sum to at most `block`.
    """
    blocks: list[list[int]] = []
    room: list[tuple[int, int]] = []  # free tokens and block number, ascending
    for piece in sorted(range(len(lengths)), key=lambda p: (-lengths[p], p)):
        place = bisect.bisect_left(room, (lengths[piece], -1))
        free, number = room.pop(place) if place < len(room) else (block, len(blocks))
        if number == len(blocks):
            blocks.append([])
        blocks[number].append(piece)
        bisect.insort(room, (free - lengths[piece], number))
    return blocks


def by_tokens(lengths: Sequence[int], budget: int, seed: int) -> list[list[int]]:
    """Batches of texts alike in length whose padded size stays within `budget` tokens, in random order."""
    run = RUN * max(1, budget // max(lengths))
    units = [[n] for n in range(len(lengths))]
    return _alike(units, lengths, lambda count, longest: count * longest > budget, run, seed)


def by_count(lengths: Sequence[int], size: int, seed: int, groups: Sequence[str] | None = None) -> list[list[int]]:
    """Batches of at most `size` texts alike in length, in random order.

    Texts of one group stand together, as far as `size` allows: what they share is then computed once.
    """
    units = _units(groups, size) if groups else [[n] for n in range(len(lengths))]
    return _alike(units, lengths, lambda count, _: count > size, RUN * size, seed)


def _units(groups: Sequence[str], size: int) -> list[list[int]]:
    found: dict[str, list[int]] = {}
    for number, group in enumerate(groups):
        found.setdefault(group, []).append(number)
    return [unit[start : start + size] for unit in found.values() for start in range(0, len(unit), size)]


def _alike(
    units: Sequence[list[int]], lengths: Sequence[int], is_full: Callable[[int, int], bool], run: int, seed: int
) -> list[list[int]]:
    order = list(range(len(units)))
    longest = [max(lengths[n] for n in unit) for unit in units]
    shuffle = random.Random(seed).shuffle  # noqa: S311 - no secret is drawn
    shuffle(order)
    batches: list[list[int]] = []
    for start in range(0, len(order), run):
        batch: list[int] = []
        for number in sorted(order[start : start + run], key=lambda n: (longest[n], n)):
            if batch and is_full(len(batch) + len(units[number]), longest[number]):
                batches.append(batch)
                batch = []
            batch = [*batch, *units[number]]
        batches.append(batch)
    shuffle(batches)
    return batches


def packed(rows: Sequence[Sequence[Tokens]], pad: int) -> dict[str, torch.Tensor]:
    """A batch for a decoder of blocks that hold several pieces each; tensors of shape (blocks, longest block).

    Positions restart with every piece and there is no attention mask: most models of transformers then keep the pieces
    from seeing each other, exactly (`keeps_apart`). An all-ones mask would let them.
    """
    longest = max(sum(map(len, row)) for row in rows)
    ids, positions, labels = [], [], []
    for row in rows:
        empty = longest - sum(map(len, row))
        ids.append([token for piece in row for token in piece] + [pad] * empty)
        positions.append([n for piece in row for n in range(len(piece))] + list(range(empty)))
        # The first token of a piece has nothing before it that could predict it.
        labels.append([t for piece in row for t in (IGNORED, *piece[1:])] + [IGNORED] * empty)
    columns = {"input_ids": ids, "position_ids": positions, "labels": labels}
    return {name: torch.tensor(values) for name, values in columns.items()}


def keeps_apart(model: Any) -> bool:
    """Whether a decoder reads each piece of a packed block as if the others were not there.

    It is tried: another first piece leaves what is said of the second as it was. Some kinds (OPT, XGLM, Falcon, BLOOM)
    look at no positions when they decide which tokens see each other. Nothing is drawn at random, and the model's mode
    is kept.
    """
    batch = packed([[[1, 2, 3, 4], [5, 6, 7]], [[4, 3, 8, 9], [5, 6, 7]]], pad=0)
    read = {name: batch[name].to(model.device) for name in ("input_ids", "position_ids")}
    learns = model.training
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        one, other = model.eval()(**read, use_cache=False).logits[:, 4:].float()
    model.train(learns)
    return bool((one - other).abs().max() < ROUNDING)


def padded(rows: Sequence[Mapping[str, Tokens]], fill: Mapping[str, int]) -> dict[str, torch.Tensor]:
    """A batch of one text a row, filled on the right; tensors of shape (rows, longest), and an attention mask.

    `fill` gives the filling value of every column.
    """
    longest = max(len(row["input_ids"]) for row in rows)
    batch = {
        name: torch.tensor([[*row[name], *[value] * (longest - len(row[name]))] for row in rows])
        for name, value in fill.items()
    }
    lengths = torch.tensor([len(row["input_ids"]) for row in rows])
    return batch | {"attention_mask": (torch.arange(longest) < lengths[:, None]).long()}
