"""How near in meaning a written text is to its references, by an encoder that is given: BERTScore."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models import stop

BATCH = 32
Pair = tuple[int, str, str]


def bert_scores(folder: Path, references: Sequence[Sequence[str]], answers: Sequence[str]) -> list[float]:
    """BERTScore F1 (Zhang et al. 2020) of each answer with the reference that is nearest, by an encoder's last states.

    Neither weighed by rarity nor rescaled: how high unlike texts score, encoders differ in. Texts are cut at what the
    encoder reads. An answer or a reference without words scores 0. Raises ValueError for an encoder that lacks weights.
    """
    from models.backbone import load_encoder, room

    encoder, tokenizer = load_encoder(folder)
    tokenizer.model_max_length = room(encoder)
    pairs: list[Pair] = [
        (number, answer, reference)
        for number, (answer, options) in enumerate(zip(answers, references, strict=True))
        for reference in options
        if answer.strip() and reference.strip()
    ]
    pairs.sort(key=lambda pair: len(pair[1]) + len(pair[2]))
    best = [0.0] * len(answers)
    for start in range(0, len(pairs), BATCH):
        stop.check("comparing texts in meaning")
        batch = pairs[start : start + BATCH]
        for (number, *_), score in zip(batch, _scores(encoder, tokenizer, batch), strict=True):
            best[number] = max(best[number], score)
    return best


def _scores(encoder: Any, tokenizer: Any, batch: Sequence[Pair]) -> list[float]:
    """F1 of each pair. Both sides are filled up to one length: torchmetrics lays them in one tensor."""
    from torchmetrics.functional.text import bert_score

    texts = [text for column in (1, 2) for text in (pair[column] for pair in batch)]
    read = tokenizer(texts, truncation=True, padding=True, return_tensors="pt")
    answers, references = (
        {name: read[name][part] for name in ("input_ids", "attention_mask")}
        for part in (slice(len(batch)), slice(len(batch), None))
    )
    found = bert_score(
        answers,
        references,
        model=encoder,
        user_tokenizer=tokenizer,
        num_layers=encoder.config.num_hidden_layers,
        max_length=read["input_ids"].shape[1],
        batch_size=len(batch),
        device=encoder.device,
    )
    return [float(score) for score in found["f1"].reshape(-1)]
