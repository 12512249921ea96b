"""What each word of a text does to a number of a model, by gradients or by taking it away; through captum."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily

from models.spans import Span, grouped, in_words

# Of one example; where it has more words, neighbours are taken together, so that the time is bounded.
MOST = 64
# Points of the integral between a text of masks and the text itself.
STEPS = 32
BATCH = 16
DIGITS = 3

Part = dict[str, Any]
# Embeddings of each sequence, shapes (n, length, width), to what is explained, shape (n,).
Forward = Callable[..., torch.Tensor]
Embeddings = tuple[torch.Tensor, ...]


def encoded_words(tokenizer: Any, texts: Sequence[str]) -> tuple[Any, list[list[Span]]]:
    """Texts as their tokenizer joins them into one sequence, and the words of each with their places in it."""
    encoded = tokenizer(*texts, truncation="longest_first", return_offsets_mapping=True)
    offsets, sources = encoded.pop("offset_mapping"), encoded.sequence_ids(0)
    pieces = [Span(start, end, (place,)) for place, (start, end) in enumerate(offsets)]
    spans = [
        in_words(text, [piece for piece, source in zip(pieces, sources, strict=True) if source == number])
        for number, text in enumerate(texts)
    ]
    return encoded, spans


def few(texts: Sequence[Sequence[Span]]) -> tuple[list[list[Span]], int]:
    """At most MOST spans in all, and how many words stand together in each."""
    size = next(size for size in count(1) if sum(math.ceil(len(spans) / size) for spans in texts) <= MOST)
    return [grouped(spans, size) for spans in texts], size


def embedded(
    model: Any, tokenizer: Any, sequences: Sequence[Sequence[int]], words: Sequence[Sequence[Span]]
) -> tuple[Embeddings, Embeddings]:
    """The embeddings of each sequence, shape (1, length, width), and those with a mask in the place of each word.

    A tokenizer without a mask has what fills up, or what ends a text, in its place.
    """
    look_up = model.get_input_embeddings()
    nothing = next(
        n for n in (tokenizer.mask_token_id, tokenizer.pad_token_id, tokenizer.eos_token_id) if n is not None
    )
    whole, masked = [], []
    for ids, spans in zip(sequences, words, strict=True):
        places = {place for span in spans for place in span.tokens}
        whole.append(torch.tensor([list(ids)], device=model.device))
        masked.append(torch.tensor([[nothing if n in places else t for n, t in enumerate(ids)]], device=model.device))
    with torch.no_grad():
        return tuple(look_up(ids) for ids in whole), tuple(look_up(ids) for ids in masked)


def gradients(forward: Forward, inputs: Embeddings, masked: Embeddings, words: Sequence[Sequence[Span]]) -> list[float]:
    """The share of each word, integrated from masks to the texts (Sundararajan et al. 2017)."""
    from captum.attr import IntegratedGradients

    found = IntegratedGradients(forward).attribute(inputs, masked, n_steps=STEPS, internal_batch_size=BATCH)
    shares = [share.detach()[0].sum(-1) for share in found]
    pairs = zip(shares, words, strict=True)
    return [rounded(share[list(span.tokens)].sum()) for share, spans in pairs for span in spans]


def occlusion(forward: Forward, inputs: Embeddings, masked: Embeddings, words: Sequence[Sequence[Span]]) -> list[float]:
    """What is lost when each word alone is masked (Zeiler and Fergus 2014)."""
    from captum.attr import FeatureAblation

    masks, first = [], 0
    for embeddings, spans in zip(inputs, words, strict=True):
        masks.append(numbered(spans, embeddings.shape[1], first)[..., None].to(embeddings.device))
        first += len(spans) + 1
    every = sum(map(len, words))
    with torch.inference_mode():
        lost = FeatureAblation(forward).attribute(inputs, masked, feature_mask=tuple(masks), **at_once(every))
    return [rounded(loss[0, span.tokens[0], 0]) for loss, spans in zip(lost, words, strict=True) for span in spans]


def hidden(forward: Forward, length: int, words: Sequence[Span]) -> list[float]:
    """What is lost when nothing attends to each word; `forward` takes which tokens are seen, shape (n, length)."""
    from captum.attr import FeatureAblation

    seen = torch.ones(1, length)
    numbers = numbered(words, length)
    lost = FeatureAblation(forward).attribute(seen, 0.0, feature_mask=numbers, **at_once(len(words)))[0]
    return [rounded(lost[span.tokens[0]]) for span in words]


def numbered(spans: Sequence[Span], length: int, first: int = 0) -> torch.Tensor:
    """The number of each token's span, counted from `first`, shape (1, length); tokens of no span share one more."""
    numbers = torch.full((1, length), first + len(spans))
    for number, span in enumerate(spans, first):
        numbers[0, list(span.tokens)] = number
    return numbers


def at_once(words: int) -> dict[str, int]:
    return {"perturbations_per_eval": max(1, min(BATCH, words))}


def rounded(value: Any) -> float:
    """To three digits; -0.0 becomes 0.0."""
    return round(float(value), DIGITS) + 0.0


def parts(texts: Sequence[str], spans: Sequence[Sequence[Span]], found: Sequence[Part]) -> list[list[Part]]:
    """Each text in parts, in reading order and without a gap: words with their numbers, and what is between them."""
    numbers, cut_texts = iter(found), []
    for text, own in zip(texts, spans, strict=True):
        cut, at = [], 0
        for span in own:
            cut += [{"text": text[at : span.start]}, {"text": text[span.start : span.end], **next(numbers)}]
            at = span.end
        cut.append({"text": text[at:]})
        cut_texts.append([part for part in cut if part["text"]])
    return cut_texts
