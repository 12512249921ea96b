"""How texts become tokens: one way for training, evaluation and serving."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from models.chat import answer_tokens, chat_tokens, is_laid_out
from models.prompt import Prompt
from models.verbaliser import frame


def encode_texts(tokenizer: Any, rows: Sequence[tuple[str, ...]]) -> list[dict[str, list[int]]]:
    """Tokens of the text, or of the two texts, of each row.

    They are unpadded, and cut to the tokenizer's `model_max_length`, the longer text first.
    """
    if not rows:
        return []
    columns = (list(texts) for texts in zip(*rows, strict=True))
    encoded = tokenizer(*columns, truncation="longest_first")
    return [{name: values[number] for name, values in encoded.items()} for number in range(len(rows))]


def encode_prompt(tokenizer: Any, prompt: Prompt | str, room: int, *, bare: bool = False) -> list[int]:
    """Tokens of a prompt, `room` of them at most: what is lost first is said at `Prompt`.

    Before them stands what a decoder's tokenizer begins every text with, unless they are to be `bare`. A dialog is laid
    out by the tokenizer's chat template, if it has one.
    """
    asked = Prompt(prompt) if isinstance(prompt, str) else prompt
    if is_laid_out(tokenizer, asked) and not bare:
        return chat_tokens(tokenizer, asked, room)
    start = [] if bare else frame(tokenizer)[0]
    whole: list[int] = [*start, *tokenizer(asked.text, add_special_tokens=False)["input_ids"]]
    if len(whole) <= room:
        return whole
    start = start[:room]
    head, *turns, tail = (tokenizer(part, add_special_tokens=False)["input_ids"] for part in asked.parts)
    tail = tail[max(0, len(tail) + len(start) - room) :]
    spare = room - len(start) - len(tail)
    while turns and len(head) + sum(map(len, turns)) > spare:
        del turns[0]
    return [*start, *head[: spare - sum(map(len, turns))], *chain.from_iterable(turns), *tail]


def encode_completion(tokenizer: Any, prompt: Prompt | str, completion: str, room: int) -> tuple[list[int], int]:
    """Tokens of a prompt, its completion and the end of the text, and how many of them are the prompt's.

    What exceeds `room` tokens is cut from the prompt, of which one token stays; then from the end of the completion.
    """
    if isinstance(prompt, Prompt) and is_laid_out(tokenizer, prompt):
        written = answer_tokens(tokenizer, completion)
    else:
        written = tokenizer(" " + completion, add_special_tokens=False)["input_ids"]
    answer = [*written, tokenizer.eos_token_id][: room - 1]
    asked = encode_prompt(tokenizer, prompt, room - len(answer))
    return asked + answer, len(asked)


def within(tokenizer: Any, text: str, tokens: int) -> str:
    """The beginning of a text that its first `tokens` tokens stand for."""
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    return text if len(offsets) <= tokens else text[: offsets[tokens - 1][1]]
