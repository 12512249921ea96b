"""Bits per byte: how well a language model knows a kind of text, comparable between tokenizers.

For a decoder, the bits of a text are those of all its tokens, each given the ones before, over the text's UTF-8 bytes.
For a masked model, a fixed 15 % of a text's tokens are replaced by the mask at once; the bits are those of the true
tokens there, over the UTF-8 bytes that these tokens stand for. For an encoder-decoder, spans with a fixed 15 % of the
tokens are hidden, and the bits and bytes are theirs. The three kinds are not comparable with each other.
Both are kept per text, so that a bootstrap over texts gives an interval; the value of a set is the ratio of the sums.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch  # noqa: TID253 - this module is itself imported lazily

from models import stop
from models.backbone import masked_states_and_head, room
from models.losses import by_row
from models.masking import chosen
from models.packing import IGNORED, by_tokens, padded
from models.verbaliser import frame

SHARE = 0.15
BATCH_TOKENS = 4096
Example = dict[str, list[int]]


def bits_per_byte(model: Any, tokenizer: Any, texts: Sequence[str]) -> list[tuple[float, float]]:
    """Bits and bytes of each text, in order; computed in fp32. Texts longer than the model are cut at its length."""
    if model.config.is_encoder_decoder:
        return _hidden_bits(model, tokenizer, texts)
    encode = _masked_example if is_masked(model) else causal_example
    most = min(512, room(model))
    found = [encode(tokenizer, text, most) for text in texts]
    bits = bits_of(model, [example for example, _ in found], "measuring bits per byte")
    return [(value, size) for value, (_, size) in zip(bits, found, strict=True)]


def is_masked(model: Any) -> bool:
    """Whether a language model fills in what is hidden, and does not go on from what was read."""
    return "MaskedLM" in type(model).__name__


def bits_of(model: Any, examples: Sequence[Example], doing: str) -> list[float]:
    """Bits of the labels of each example, in order; `doing` says what for, should somebody stop it."""
    bits = [0.0] * len(examples)
    for batch in by_tokens([len(example["input_ids"]) for example in examples], BATCH_TOKENS, seed=0):
        stop.check(doing)
        values = _bits(model, [examples[n] for n in batch], shift=not is_masked(model))
        for number, value in zip(batch, values, strict=True):
            bits[number] = value
    return bits


def _hidden_bits(model: Any, tokenizer: Any, texts: Sequence[str]) -> list[tuple[float, float]]:
    from models.denoising import Blanks, corrupted
    from models.encoder_decoder import bits_of

    blanks, most = Blanks.of(tokenizer), min(512, room(model)) - 2
    found, sizes = [], list[float]()
    for text in texts:
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        tokens, offsets = encoded["input_ids"][:most], encoded["offset_mapping"][:most]
        source, counted, spans = corrupted(tokens, blanks, SHARE, np.random.default_rng(zlib.crc32(text.encode())))
        found.append((source, counted))
        shares = byte_shares(text, offsets)
        sizes.append(sum(sum(shares[first:last]) for first, last in spans))
    bits = [0.0] * len(texts)
    for batch in by_tokens([len(source[0]) for source, _ in found], BATCH_TOKENS, seed=0):
        stop.check("measuring bits per byte")
        sources, flags = [found[n][0] for n in batch], [found[n][1] for n in batch]
        for number, value in zip(batch, bits_of(model, tokenizer.pad_token_id, sources, flags), strict=True):
            bits[number] = value
    return list(zip(bits, sizes, strict=True))


def ratio(measured: Sequence[tuple[float, float]]) -> float:
    """Bits per byte of all texts together."""
    return round(sum(bits for bits, _ in measured) / sum(size for _, size in measured), 6)


def causal_example(tokenizer: Any, text: str, room: int) -> tuple[Example, float]:
    """A text begins as its tokenizer begins every one, or with the end token: its first token is predicted too."""
    start = frame(tokenizer)[0] or [tokenizer.eos_token_id]
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    most = room - len(start)
    tokens, offsets = encoded["input_ids"][:most], encoded["offset_mapping"][:most]
    size = len(text[: offsets[-1][1]].encode()) if offsets else 0
    return {"input_ids": [*start, *tokens], "labels": [IGNORED] * len(start) + tokens}, size


def _masked_example(tokenizer: Any, text: str, room: int) -> tuple[Example, float]:
    """The places are decided by the text itself: the same in every model with this tokenizer."""
    encoded = tokenizer(text, truncation=True, max_length=room, return_offsets_mapping=True)
    tokens, offsets = encoded["input_ids"], encoded["offset_mapping"]
    random = np.random.default_rng(zlib.crc32(text.encode()))
    places = chosen(tokens, frozenset(tokenizer.all_special_ids), SHARE, random)
    inputs, labels = list(tokens), [IGNORED] * len(tokens)
    for place in places:
        inputs[place], labels[place] = tokenizer.mask_token_id, tokens[place]
    shares = byte_shares(text, offsets)
    return {"input_ids": inputs, "labels": labels}, sum(shares[place] for place in places)


def byte_shares(text: str, offsets: Sequence[tuple[int, int]]) -> list[float]:
    """UTF-8 bytes that each token stands for, given where each begins and ends in the text.

    A character that was cut into several tokens, as byte-level vocabularies cut Chinese ones, is shared by them.
    """
    among = Counter(place for start, end in offsets for place in range(start, end))
    return [sum(len(text[place].encode()) / among[place] for place in range(*offset)) for offset in offsets]


def _bits(model: Any, examples: Sequence[Example], *, shift: bool) -> list[float]:
    batch = {n: t.to(model.device) for n, t in padded(examples, {"input_ids": 0, "labels": IGNORED}).items()}
    labels = batch.pop("labels")
    with torch.inference_mode():
        if shift:
            labels = labels[:, 1:]
            states, head = model(**batch, use_cache=False).logits[:, :-1], torch.nn.Identity()
        else:
            states, head = masked_states_and_head(model, batch["input_ids"], batch["attention_mask"])
        wanted = labels != IGNORED
        nats = torch.nn.functional.cross_entropy(head(states[wanted]).float(), labels[wanted], reduction="none")
    return [nat / math.log(2) for nat in by_row(nats, wanted)]
