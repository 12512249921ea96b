"""How texts become tokens: one way for training, evaluation and serving."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def encode_texts(tokenizer: Any, rows: Sequence[tuple[str, ...]]) -> list[dict[str, list[int]]]:
    """Tokens of the text, or of the two texts, of each row.

    They are unpadded, and cut to the tokenizer's `model_max_length`, the longer text first.
    """
    if not rows:
        return []
    columns = (list(texts) for texts in zip(*rows, strict=True))
    encoded = tokenizer(*columns, truncation="longest_first")
    return [{name: values[number] for name, values in encoded.items()} for number in range(len(rows))]


def encode_completion(tokenizer: Any, prompt: str, completion: str, room: int) -> tuple[list[int], int]:
    """Tokens of a prompt, its completion and the end of the text, and how many of them are the prompt's.

    What exceeds `room` tokens is cut from the beginning of the prompt; then from the end of the completion.
    """
    asked = tokenizer(prompt)["input_ids"]
    answer = [*tokenizer(" " + completion, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id][: room - 1]
    asked = asked[-(room - len(answer)) :]
    return asked + answer, len(asked)
