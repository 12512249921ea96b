"""How near in meaning a written text is to its references, by an encoder that is given: BERTScore."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

BATCH = 32


def bert_scores(folder: Path, references: Sequence[Sequence[str]], answers: Sequence[str]) -> list[float]:
    """BERTScore F1 (Zhang et al. 2020) of each answer with the reference that is nearest, by an encoder's last states.

    Neither weighed by rarity nor rescaled: how high unlike texts score, encoders differ in. Texts are cut at what the
    encoder reads. An answer or a reference without words scores 0.
    """
    from torchmetrics.functional.text import bert_score

    from models.backbone import load_encoder, room

    pairs = [
        (number, answer, reference)
        for number, (answer, options) in enumerate(zip(answers, references, strict=True))
        for reference in options
        if answer.strip() and reference.strip()
    ]
    best = [0.0] * len(answers)
    if not pairs:
        return best
    numbers, written, wanted = zip(*pairs, strict=True)
    encoder, _ = load_encoder(folder)
    found = bert_score(
        list(written),
        list(wanted),
        model_name_or_path=str(folder),
        num_layers=encoder.config.num_hidden_layers,
        max_length=room(encoder),
        truncation=True,
        batch_size=BATCH,
        device="cpu",
    )
    for number, score in zip(numbers, found["f1"].reshape(-1).tolist(), strict=True):
        best[number] = max(best[number], score)
    return best
