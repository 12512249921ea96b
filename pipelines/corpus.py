"""The corpora of a recipe: what is trained on, and the held-out texts that bits per byte are measured on."""

from __future__ import annotations

import time
from typing import Any

from pipelines.artifact import sha256_text
from pipelines.errors import Refused
from pipelines.rows import read_rows
from pipelines.steps import Work

HELD_OUT = 400


def training_texts(work: Work, corpus: str) -> list[str]:
    """The texts of a corpus that may be learned from, in file order."""
    return _texts(work, corpus, "train")


def some_training_texts(work: Work, corpus: str, most: int) -> list[str]:
    """Some of these texts: chosen by hash, so that adding texts changes little of them."""
    return sorted(training_texts(work, corpus), key=sha256_text)[:most]


def bits_per_byte(work: Work, model: Any, tokenizer: Any) -> dict[str, float]:
    """Bits per byte on a fixed sample of the texts held out: "domain", "general", earlier domains by their names."""
    from models import bits

    corpora = work.run.recipe.data.corpora
    started = time.monotonic()
    found = {n: bits.ratio(bits.bits_per_byte(model, tokenizer, held_out(work, c))) for n, c in corpora.items()}
    spoken = ", ".join(f"{name} {value:.4f}" for name, value in found.items())
    print(f"bits per byte on held-out text: {spoken} ({time.monotonic() - started:.0f} s)", flush=True)
    return found


def held_out(work: Work, corpus: str) -> list[str]:
    """The sample of a corpus' held-out texts: chosen by hash, so that adding texts changes little of it."""
    return sorted(_texts(work, corpus, "heldout"), key=sha256_text)[:HELD_OUT]


def _texts(work: Work, corpus: str, split: str) -> list[str]:
    path = work.inputs["dataset"] / corpus
    found = [row["text"] for row in read_rows(path) if row.get("split", "train") == split]
    if not found:
        raise Refused(f'{path} has no row with split "{split}"; a corpus needs texts to learn from and texts held out')
    return found
