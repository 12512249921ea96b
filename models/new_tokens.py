"""New tokens for a domain: a byte-pair tokenizer's training goes on where it ended, on text of the domain."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily

from models import stop
from models.tokenizer import load_tokenizer, save_tokenizer

Pieces = tuple[str, ...]
Pair = tuple[str, str]
# A pair that stands in the text less often is no habit of the domain.
FEWEST = 10
TOKENIZER = "tokenizer.json"


def extended(model: Any, tokenizer: Any, texts: Sequence[str], most: int) -> tuple[Any, list[Pair]]:
    """The tokenizer with `most` tokens more, or as many as `texts` have habits for, and the pairs they are made of.

    The model, changed in place, gets an embedding for each, and an output where that is another matrix: the mean of
    those of the pieces that stood there before. Raises ValueError when the tokenizer is none of byte pairs.
    """
    _require_byte_pairs(tokenizer)
    pairs = found(cut(tokenizer, texts), most, tokenizer.get_vocab())
    larger = with_pairs(tokenizer, pairs)
    if pairs:
        _embed(model, tokenizer, larger, pairs)
    return larger, pairs


def cut(tokenizer: Any, texts: Sequence[str]) -> Counter[Pieces]:
    """How often each part of the texts stands there, beyond whose ends nothing is joined, as the tokenizer cuts it."""
    special, counts = set(tokenizer.get_added_vocab()), Counter[Pieces]()
    for encoded in tokenizer.backend_tokenizer.encode_batch(list(texts), add_special_tokens=False):
        parts: dict[Any, list[str]] = defaultdict(list)
        for token, word in zip(encoded.tokens, encoded.word_ids, strict=True):
            parts[word].append(token)
        counts.update(tuple(part) for part in parts.values() if len(part) > 1 and special.isdisjoint(part))
    return counts


def found(counts: Mapping[Pieces, int], most: int, known: Iterable[str] = ()) -> list[Pair]:
    """The pairs that byte-pair encoding joins next: always the most frequent (Sennrich et al. 2016, algorithm 1).

    Of equally frequent ones the first by its letters. Fewer than `most` where no pair stands there FEWEST times. What
    is spelled like a token of `known`, or like one that another pair made, is none: it would take that one's number.
    """
    spelled = set(known)
    parts = [list(part) for part in counts]
    times = list(counts.values())
    often, places = Counter[Pair](), defaultdict[Pair, set[int]](set)
    for number, part in enumerate(parts):
        for pair in pairwise(part):
            often[pair] += times[number]
            places[pair].add(number)
    # Counts that have changed since they were put there are put there again.
    queue = [(-count, pair) for pair, count in often.items() if count >= FEWEST]
    heapify(queue)
    pairs: list[Pair] = []
    while len(pairs) < most and queue:
        stop.check("looking for new tokens")
        count, best = heappop(queue)
        if -count != often[best] or "".join(best) in spelled:
            continue
        pairs.append(best)
        spelled.add("".join(best))
        changed = set[Pair]()
        for number in places.pop(best):
            before, parts[number] = parts[number], joined(parts[number], best)
            for pair in pairwise(before):
                often[pair] -= times[number]
            for pair in pairwise(parts[number]):
                often[pair] += times[number]
                places[pair].add(number)
            changed.update(pairwise(before), pairwise(parts[number]))
        for pair in changed:
            if often[pair] >= FEWEST:
                heappush(queue, (-often[pair], pair))
    return pairs


def joined(part: Sequence[str], pair: Pair) -> list[str]:
    """The pieces with every occurrence of the pair as one, from the left."""
    pieces: list[str] = []
    for piece in part:
        if pieces and (pieces[-1], piece) == pair:
            pieces[-1] += piece
        else:
            pieces.append(piece)
    return pieces


def with_pairs(tokenizer: Any, pairs: Sequence[Pair]) -> Any:
    """The tokenizer that joins these pairs too, after all that it joined before; their tokens are numbered on."""
    with TemporaryDirectory(prefix="tokenizer-") as folder:
        save_tokenizer(tokenizer, Path(folder))
        path = Path(folder) / TOKENIZER
        state = json.loads(path.read_text(encoding="utf-8"))
        state["model"]["vocab"] |= {"".join(pair): n for n, pair in enumerate(pairs, _numbers(tokenizer))}
        state["model"]["merges"] += [list(pair) for pair in pairs]
        path.write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
        larger = load_tokenizer(Path(folder))
    if len(larger) != len(tokenizer) + len(pairs):
        raise ValueError(f"a {type(tokenizer).__name__} does not take new tokens from its {TOKENIZER}")
    return larger


def _require_byte_pairs(tokenizer: Any) -> None:
    state = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    if state["type"] != "BPE" or state.get("continuing_subword_prefix"):
        raise ValueError(f"its tokenizer is a {state['type']}, and only one of byte pairs (BPE) goes on learning")


def _embed(model: Any, tokenizer: Any, larger: Any, pairs: Sequence[Pair]) -> None:
    """Rows for the new tokens, each the mean of the rows of the old tokens that it is made of."""
    made: dict[str, list[int]] = {}
    for one, other in pairs:
        made[one + other] = [n for piece in (one, other) for n in made.get(piece) or _number(tokenizer, piece)]
    rows = max(_numbers(larger), model.get_input_embeddings().num_embeddings)
    model.resize_token_embeddings(rows, mean_resizing=False)
    matrices = {id(m.weight): m.weight for m in (model.get_input_embeddings(), model.get_output_embeddings())}
    with torch.no_grad():
        for matrix in matrices.values():
            for token, pieces in made.items():
                matrix[_number(larger, token)[0]] = matrix[pieces].mean(0)


def _numbers(tokenizer: Any) -> int:
    """One more than the highest number of a token: some numbers may stand for none."""
    return int(max(tokenizer.get_vocab().values())) + 1


def _number(tokenizer: Any, token: str) -> list[int]:
    return [tokenizer.convert_tokens_to_ids(token)]
