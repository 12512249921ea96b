"""Answer prompts with a decoder or an encoder-decoder, and measure how likely it finds a given continuation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily

from models import encoder_decoder, stop
from models.backbone import room
from models.encoding import encode_completion, encode_prompt, within
from models.losses import by_row
from models.output_layer import only_states
from models.precision import autocast
from models.predict import rows_at_once
from models.prompt import Prompt
from models.tokenizer import decoded
from models.verbaliser import frame

# Takes the size of what is done and of all.
Progress = Callable[[int, int], None]

BATCH = 32
NEW_TOKENS = 64


def generate(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt] | Sequence[str],
    progress: Progress | None = None,
    *,
    max_new_tokens: int | None = None,
) -> list[str]:
    """The likeliest continuation of each prompt, token by token, up to the end of the text, in the order of `prompts`.

    Each distinct prompt is continued once, in batches made of the sorted prompts: a prompt's answer does not depend on
    the order it came in. Prompts too long for the model are cut as `Prompt` says; an answer ends with `max_new_tokens`,
    by itself those that the model was trained to write.
    """
    most = max_new_tokens or most_written(model)
    asked = [Prompt(prompt) if isinstance(prompt, str) else prompt for prompt in prompts]
    distinct = sorted(set(asked), key=lambda prompt: (len(prompt.text), prompt))
    answers: dict[Prompt, str] = {}
    size = rows_at_once(model, BATCH)
    for start in range(0, len(distinct), size):
        batch = distinct[start : start + size]
        answers |= zip(batch, _continue(model, tokenizer, batch, most), strict=True)
        if progress:
            progress(_size(answers), _size(distinct))
    return [answers[prompt] for prompt in asked]


def most_written(model: Any) -> int:
    """Tokens after which an answer of a model is cut, as its generation_config.json says."""
    return int(model.generation_config.max_new_tokens or NEW_TOKENS)


def too_long(tokenizer: Any, texts: Sequence[str], most: int) -> int:
    """How many of the texts a model that writes `most` tokens could not write to their end."""
    return sum(len(tokenizer(f" {text}", add_special_tokens=False)["input_ids"]) >= most for text in texts)


def _size(prompts: Iterable[Prompt]) -> int:
    return sum(len(prompt.text) for prompt in prompts)


def completion_bits(
    model: Any, tokenizer: Any, prompts: Sequence[Prompt] | Sequence[str], completions: Sequence[str]
) -> list[float]:
    """Bits that the model needs for each completion and the end of the text, once it has read the prompt.

    Those that are alike in length are read together.
    """
    if model.config.is_encoder_decoder:
        pad, most = tokenizer.pad_token_id, reads(model, tokenizer)
        sources = [encoder_decoder.encode_pair(tokenizer, prompts[n], t, most) for n, t in enumerate(completions)]
        return _sorted(model, sources, lambda batch: encoder_decoder.completion_bits(model, pad, batch))
    most = room(model)
    rows = [encode_completion(tokenizer, prompts[n], text, most) for n, text in enumerate(completions)]
    return _sorted(model, rows, lambda batch: _bits(model, batch))


def bytes_read(model: Any, tokenizer: Any, completions: Sequence[str]) -> list[int]:
    """UTF-8 bytes that `completion_bits` counts of each completion: all, unless the model has no room for them."""
    if model.config.is_encoder_decoder:
        most = reads(model, tokenizer) - sum(map(len, frame(tokenizer)))
        return [len(within(tokenizer, text, most).encode()) for text in completions]
    return [len(within(tokenizer, f" {text}", room(model) - 1).encode()) - 1 for text in completions]


def _sorted(model: Any, rows: Sequence[Any], bits: Callable[[Sequence[Any]], list[float]]) -> list[float]:
    """The bits of each row, in the order of `rows`; a row's first part are the tokens that are read."""
    order = sorted(range(len(rows)), key=lambda number: (len(rows[number][0]), rows[number]))
    found, size = [0.0] * len(rows), rows_at_once(model, BATCH)
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        for number, value in zip(chosen, bits([rows[n] for n in chosen]), strict=True):
            found[number] = value
    return found


def reads(model: Any, tokenizer: Any) -> int:
    """How many tokens an encoder-decoder reads at once: what it can, and what its tokenizer says."""
    return min(room(model), int(tokenizer.model_max_length))


def _continue(model: Any, tokenizer: Any, batch: Sequence[Prompt], max_new_tokens: int) -> list[str]:
    if model.config.is_encoder_decoder:
        return encoder_decoder.write(model, tokenizer, batch, reads(model, tokenizer), max_new_tokens)
    most = max(1, room(model) - max_new_tokens)
    prompts = [encode_prompt(tokenizer, prompt, most) for prompt in batch]
    width = max(map(len, prompts))
    end = tokenizer.eos_token_id
    # Padding stands on the left, so that every prompt ends where its continuation begins.
    tokens = torch.tensor([[end] * (width - len(p)) + p for p in prompts], device=model.device)
    attended = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=model.device)
    with torch.inference_mode(), autocast(model.device):
        written = model.generate(
            input_ids=tokens,
            attention_mask=attended,
            do_sample=False,
            num_beams=1,
            min_length=0,
            repetition_penalty=1.0,
            no_repeat_ngram_size=0,
            max_new_tokens=max_new_tokens,
            eos_token_id=_ends(model, end),
            pad_token_id=end,
            stopping_criteria=[stop.between_tokens],
        )
    return [decoded(tokenizer, row).strip() for row in written[:, width:]]


def _ends(model: Any, end: int) -> list[int]:
    """Tokens that a text ends with: `end`, which is learned, and what else the model learned before, as of turns."""
    own = model.generation_config.eos_token_id
    return sorted({end, *(own if isinstance(own, list) else [own] if own is not None else [])})


def _bits(model: Any, rows: Sequence[tuple[list[int], int]]) -> list[float]:
    """Bits of the tokens after each row's prompt, which alone go through the vocabulary; padding is not attended to."""
    width = max(len(tokens) for tokens, _ in rows)
    tokens = torch.tensor([row + [0] * (width - len(row)) for row, _ in rows], device=model.device)
    places = torch.arange(width, device=model.device)
    lengths = torch.tensor([len(row) for row, _ in rows], device=model.device)[:, None]
    starts = torch.tensor([start for _, start in rows], device=model.device)[:, None]
    counted = (places[1:] >= starts) & (places[1:] < lengths)
    shown = only_states(model.get_output_embeddings(), torch.nn.functional.pad(counted, (0, 1)))
    with torch.inference_mode(), autocast(model.device), shown:
        logits = model(input_ids=tokens, attention_mask=(places < lengths).long(), use_cache=False).logits
    nats = torch.nn.functional.cross_entropy(logits.float(), tokens[:, 1:][counted], reduction="none")
    return [nat / math.log(2) for nat in by_row(nats, counted)]
