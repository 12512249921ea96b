"""Which words an answer rests on: gradients and words taken away, through captum; attention is not read."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily

from models.backbone import room
from models.encoding import encode_completion
from models.prompt import Prompt
from models.spans import Span, grouped, in_words, of_decoded

# Of one example; where it has more words, neighbours are taken together, so that the time is bounded.
MOST = 64
# Points of the integral between a text of masks and the text itself.
STEPS = 32
BATCH = 16
DIGITS = 3

Part = dict[str, Any]
# Embeddings of each text, shapes (n, length, width), to what is explained, shape (n,).
Forward = Callable[..., torch.Tensor]


def label_parts(model: Any, tokenizer: Any, texts: Sequence[str], label: str) -> dict[str, Any]:
    """What the words of one text, or of two, do to the log-odds of a label (in nats) in one of our classifiers.

    `texts` holds the parts of each text: those with `text`, `gradients` and `occlusion` are words, or neighbours where
    there are more than MOST; others are what stands between them, or was cut. Gradients are integrated from a text of
    masks to the text (Sundararajan et al. 2017), so that they add up to `log_odds` less `nothing`, its value for the
    masks, but for the error of the sum; occlusion is what is lost when the word alone is masked (Zeiler and Fergus
    2014).
    """
    read = _read(tokenizer, texts)
    spans, size = _few([spans for _, spans in read])
    forward = _log_odds(model, model.config.label2id[label])
    inputs, masked = _embedded(model, tokenizer, read)
    slopes = _gradients(forward, inputs, masked)
    losses = _occlusion(forward, inputs, masked, spans)
    found = [
        {"gradients": _sum(slope, span), "occlusion": _rounded(loss[span.tokens[0]])}
        for text, slope, loss in zip(spans, slopes, losses, strict=True)
        for span in text
    ]
    with torch.inference_mode():
        odds, nothing = forward(*inputs).item(), forward(*masked).item()
    numbers = {"log_odds": round(odds, DIGITS), "nothing": round(nothing, DIGITS), "words_together": size}
    return {**numbers, "texts": _parts(texts, spans, found)}


def answer_parts(model: Any, tokenizer: Any, prompt: Prompt, answer: str) -> dict[str, Any]:
    """How many bits more a decoder needs for an answer when a word of its prompt is hidden from it.

    Hidden is: no later token attends to it; places stay. `texts` holds one text, the prompt as the model read it, in
    parts as `label_parts` has them, with `hidden` for the words; `bits` is what the answer needs with all of them.
    """
    from captum.attr import FeatureAblation

    tokens, start = encode_completion(tokenizer, prompt, answer, room(model))
    text, pieces = of_decoded(tokenizer, tokens[:start])
    (spans,), size = _few([in_words(text, pieces)])
    forward = _likelihood(model, tokens, start)
    seen = torch.ones(1, start)
    lost = FeatureAblation(forward).attribute(seen, 0.0, feature_mask=_numbered(spans, start), **_at_once(spans))[0]
    found = [{"hidden": _rounded(lost[span.tokens[0]])} for span in spans]
    with torch.inference_mode():
        bits = -forward(seen).item()
    return {"bits": round(bits, DIGITS), "words_together": size, "texts": _parts([text], [spans], found)}


def _read(tokenizer: Any, texts: Sequence[str]) -> list[tuple[list[int], list[Span]]]:
    """Of each text, the tokens that the model reads as a text by itself, and which of them are which characters."""
    encoded = tokenizer(*texts, truncation="longest_first", return_offsets_mapping=True)
    ids, offsets, sources = encoded["input_ids"], encoded["offset_mapping"], encoded.sequence_ids(0)
    # As `separated` of models/pair_head.py cuts: up to the first separator; the first token, and the rest.
    end = ids.index(tokenizer.sep_token_id) + 1 if len(texts) == 2 else len(ids)
    places = [list(range(end)), [0, *range(end, len(ids))]]
    return [
        (
            [ids[place] for place in own],
            in_words(
                text, [Span(offsets[p][0], offsets[p][1], (n,)) for n, p in enumerate(own) if sources[p] == number]
            ),
        )
        for number, (text, own) in enumerate(zip(texts, places, strict=False))
    ]


def _few(texts: Sequence[Sequence[Span]]) -> tuple[list[list[Span]], int]:
    """At most MOST spans in all, and how many words stand together in each."""
    size = max(1, math.ceil(sum(map(len, texts)) / MOST))
    return [grouped(spans, size) for spans in texts], size


def _embedded(model: Any, tokenizer: Any, read: Sequence[tuple[list[int], list[Span]]]) -> tuple[Any, Any]:
    """The embeddings of each text, and those of the same with a mask in each word's place."""
    look_up = model.get_input_embeddings()
    nothing = next(
        n for n in (tokenizer.mask_token_id, tokenizer.pad_token_id, tokenizer.eos_token_id) if n is not None
    )
    whole, masked = [], []
    for ids, spans in read:
        words = {place for span in spans for place in span.tokens}
        whole.append(torch.tensor([ids], device=model.device))
        masked.append(torch.tensor([[nothing if n in words else t for n, t in enumerate(ids)]], device=model.device))
    with torch.no_grad():
        return tuple(look_up(ids) for ids in whole), tuple(look_up(ids) for ids in masked)


def _log_odds(model: Any, label: int) -> Forward:
    def forward(*texts: torch.Tensor) -> torch.Tensor:
        logits = model.head(*(_means(model, text) for text in texts)).float()
        others = torch.cat([logits[:, :label], logits[:, label + 1 :]], dim=1)
        odds: torch.Tensor = logits[:, label] - others.logsumexp(1)
        return odds

    return forward


def _means(model: Any, embeddings: torch.Tensor) -> torch.Tensor:
    """The mean state of each text, as the heads of models/text_head.py and models/pair_head.py take it."""
    mask = torch.ones(embeddings.shape[:2], dtype=torch.long, device=embeddings.device)
    states: torch.Tensor = model.encoder(inputs_embeds=embeddings, attention_mask=mask).last_hidden_state
    return states.float().mean(1)


def _gradients(forward: Forward, inputs: Any, masked: Any) -> list[torch.Tensor]:
    """For each text, the share of each token, shape (length,)."""
    from captum.attr import IntegratedGradients

    shares = IntegratedGradients(forward).attribute(inputs, masked, n_steps=STEPS, internal_batch_size=BATCH)
    return [share.detach()[0].sum(-1) for share in shares]


def _occlusion(forward: Forward, inputs: Any, masked: Any, texts: Sequence[Sequence[Span]]) -> list[torch.Tensor]:
    """For each text, what each token's span is worth, shape (length,)."""
    from captum.attr import FeatureAblation

    masks, first = [], 0
    for embeddings, spans in zip(inputs, texts, strict=True):
        masks.append(_numbered(spans, embeddings.shape[1], first)[..., None].to(embeddings.device))
        first += len(spans) + 1
    every = [span for spans in texts for span in spans]
    with torch.inference_mode():
        lost = FeatureAblation(forward).attribute(inputs, masked, feature_mask=tuple(masks), **_at_once(every))
    return [loss[0, :, 0] for loss in lost]


def _likelihood(model: Any, tokens: Sequence[int], start: int) -> Forward:
    """From which tokens of the prompt are seen, shape (n, start), to the log-likelihood of the rest in bits."""
    ids = torch.tensor([tokens], device=model.device)

    def forward(seen: torch.Tensor) -> torch.Tensor:
        rest = torch.ones(len(seen), len(tokens) - start)
        mask = torch.cat([seen, rest], dim=1).long().to(model.device)
        asked = ids.expand(len(seen), -1)
        with torch.inference_mode():
            logits = model(input_ids=asked, attention_mask=mask, logits_to_keep=len(tokens) - start + 1).logits
        nats = torch.nn.functional.cross_entropy(
            logits[:, :-1].float().transpose(1, 2), asked[:, start:], reduction="none"
        )
        return -nats.sum(1).cpu() / math.log(2)

    return forward


def _numbered(spans: Sequence[Span], length: int, first: int = 0) -> torch.Tensor:
    """The number of each token's span, counted from `first`, shape (1, length); tokens of no span share one more."""
    numbers = torch.full((1, length), first + len(spans))
    for number, span in enumerate(spans, first):
        numbers[0, list(span.tokens)] = number
    return numbers


def _at_once(spans: Sequence[Span]) -> dict[str, int]:
    return {"perturbations_per_eval": max(1, min(BATCH, len(spans)))}


def _sum(values: torch.Tensor, span: Span) -> float:
    return _rounded(values[list(span.tokens)].sum())


def _rounded(value: torch.Tensor) -> float:
    """To three digits; -0.0 becomes 0.0."""
    return round(float(value), DIGITS) + 0.0


def _parts(texts: Sequence[str], spans: Sequence[Sequence[Span]], found: Sequence[Part]) -> list[list[Part]]:
    """Each text in parts, in reading order and without a gap: words with their numbers, and what is between them."""
    numbers, parts = iter(found), []
    for text, own in zip(texts, spans, strict=True):
        cut, at = [], 0
        for span in own:
            cut += [{"text": text[at : span.start]}, {"text": text[span.start : span.end], **next(numbers)}]
            at = span.end
        cut.append({"text": text[at:]})
        parts.append([part for part in cut if part["text"]])
    return parts
