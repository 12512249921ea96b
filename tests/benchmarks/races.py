"""What the training benchmark trains on: one training in the three ways that are compared, from real texts."""

from __future__ import annotations

import gzip
import json
import tempfile
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent.parent.parent.parent / "shared" / "data"

BATCH, SEED, HELD_OUT = 16, 7, 64
MASKED = 0.15
BLOCK = 256  # tokens of a block in pretraining
ROOM = 512  # tokens of the longest text of a fine-tuning; the stock scripts fill every text up to it


@dataclass(frozen=True)
class Race:
    """One training in three ways: our plan, the Trainer's rows, how those are filled up, and what is counted."""

    model: Any
    plan: Any
    stock: list[dict[str, Any]]
    tuned: list[dict[str, Any]]
    fill: dict[str, int]
    held_out: Any
    units: int
    unit: str
    masker: Any = None  # the tokenizer, where the Trainer's collator chooses the tokens to guess


def rows(name: str, count: int) -> list[dict[str, Any]]:
    """The first rows of a file of shared/data."""
    with gzip.open(DATA / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in islice(lines, count)]


def causal(steps: int) -> Race:
    from models.objectives import causal_plan

    model, tokenizer, learned, unseen = _corpus("tiny-decoder", steps)
    pad = tokenizer.pad_token_id
    plan, held_out = (causal_plan(texts, BLOCK, BATCH * BLOCK, pad, SEED) for texts in (learned, unseen))
    blocks = [{"input_ids": block, "labels": block} for block in _blocks(learned)]
    fill = {"input_ids": pad, "labels": -100}
    return Race(model, plan, blocks, blocks, fill, held_out, sum(map(len, learned)), "tokens")


def masked(steps: int) -> Race:
    from models.objectives import masked_plan

    model, tokenizer, learned, unseen = _corpus("tiny-encoder", steps)
    plan, held_out = (masked_plan(tokenizer, texts, MASKED, BATCH * BLOCK, SEED) for texts in (learned, unseen))
    blocks = [{"input_ids": block, "attention_mask": [1] * BLOCK} for block in _blocks(learned)]
    fill = {"input_ids": tokenizer.pad_token_id}
    return Race(model, plan, blocks, blocks, fill, held_out, sum(map(len, learned)), "tokens", tokenizer)


def _corpus(name: str, steps: int) -> tuple[Any, Any, list[Any], list[Any]]:
    """A model, its tokenizer, as many pieces of texts as the steps take, and those of texts held out."""
    from models.objectives import tokenise
    from models.scratch import scratch

    texts = [row["text"] for row in rows("corpus_en_finance_reuters", 5000)]
    model, tokenizer = scratch(name, texts[:1000], SEED)
    learned, tokens = [], 0
    for piece in tokenise(tokenizer, texts[HELD_OUT:], BLOCK):
        if tokens + len(piece) > steps * BATCH * BLOCK:
            break
        learned.append(piece)
        tokens += len(piece)
    return model, tokenizer, learned, tokenise(tokenizer, texts[:HELD_OUT], BLOCK)


def _blocks(learned: list[Any]) -> list[list[int]]:
    """As group_texts of run_clm.py and run_mlm.py cuts: anywhere, and the rest is lost."""
    stream = [token for piece in learned for token in piece]
    return [stream[end - BLOCK : end] for end in range(BLOCK, len(stream) + 1, BLOCK)]


def classification(steps: int) -> Race:
    from models import backbone
    from models.encoding import encode_texts
    from models.objectives import label_plan
    from models.schedule import Passes
    from models.scratch import scratch

    found = rows("cls_en_reuters_topic", steps * BATCH + HELD_OUT)
    texts, names = [(row["text"],) for row in found], sorted({row["label"] for row in found})
    labels = [names.index(row["label"]) for row in found]
    with tempfile.TemporaryDirectory() as folder:
        backbone.save(*scratch("tiny-encoder", [text for (text,) in texts], SEED), Path(folder))
        model, tokenizer = backbone.new_classifier(Path(folder), names, SEED, ROOM, 1)
    passes = Passes(BATCH, 1, SEED)
    plan = label_plan(tokenizer, texts[HELD_OUT:], labels[HELD_OUT:], passes)
    unseen = label_plan(tokenizer, texts[:HELD_OUT], labels[:HELD_OUT], passes)
    encoded = encode_texts(tokenizer, texts[HELD_OUT:])
    given = [
        {"input_ids": e["input_ids"], "labels": label} for e, label in zip(encoded, labels[HELD_OUT:], strict=True)
    ]
    full = [_filled(row, {"input_ids": tokenizer.pad_token_id}) for row in given]
    return Race(model, plan, full, given, {"input_ids": tokenizer.pad_token_id}, unseen, len(given), "examples")


def summarisation(steps: int) -> Race:
    from models.encoding import encode_completion
    from models.objectives import completion_plan
    from models.schedule import Passes
    from models.scratch import scratch

    found = rows("sum_en_reuters_headline", steps * BATCH + HELD_OUT)
    pairs = [(f"{row['document']}\n", row["summary"]) for row in found]
    model, tokenizer = scratch("tiny-decoder", ["".join(pair) for pair in pairs], SEED)
    passes, fill = Passes(BATCH, 1, SEED), {"input_ids": tokenizer.pad_token_id, "labels": -100}
    encoded = [encode_completion(tokenizer, *pair, ROOM) for pair in pairs[HELD_OUT:]]
    given = [{"input_ids": ids, "labels": [-100] * start + ids[start:]} for ids, start in encoded]
    plan = completion_plan(tokenizer, pairs[HELD_OUT:], ROOM, passes)
    unseen = completion_plan(tokenizer, pairs[:HELD_OUT], ROOM, passes)
    full = [_filled(row, fill) for row in given]
    return Race(model, plan, full, given, fill, unseen, len(given), "examples")


def _filled(row: dict[str, Any], fill: dict[str, int]) -> dict[str, Any]:
    short = ROOM - len(row["input_ids"])
    mask = [1] * len(row["input_ids"]) + [0] * short
    return row | {name: [*row[name], *[value] * short] for name, value in fill.items()} | {"attention_mask": mask}
