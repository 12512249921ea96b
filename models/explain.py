"""Which words an answer rests on: gradients and words taken away; attention is not looked at."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily

from models import encoder_decoder
from models.attribution import (
    Forward,
    Part,
    embedded,
    encoded_words,
    few,
    gradients,
    hidden,
    occlusion,
    parts,
    rounded,
)
from models.backbone import room
from models.encoding import encode_completion
from models.generate import reads
from models.predict import SEVERAL
from models.prompt import Prompt
from models.spans import Span, in_words, of_decoded
from models.text_state import is_last, starts, text_state
from models.verbaliser import VERBALISER

# Logits of shape (n, labels) from the embeddings of each sequence.
Logits = Callable[..., torch.Tensor]


def label_parts(model: Any, tokenizer: Any, texts: Sequence[str], label: str) -> dict[str, Any]:
    """What the words of one text, or of two, do to the log-odds of a label (in nats) in one of our classifiers.

    `texts` holds the parts of each text: those with `text`, `gradients` and `occlusion` are words, or neighbours where
    there are more than MOST; others are what stands between them, or was cut. Gradients are integrated from a text of
    masks to the text, so that they add up to `log_odds` less `nothing`, its value for the masks, but for the error of
    the sum; occlusion is what is lost when the word alone is masked.
    """
    encoded, words = encoded_words(tokenizer, texts)
    spans, size = few(words)
    if hasattr(model.config, VERBALISER):
        logits, sequences, own = _asked(model, encoded), [encoded["input_ids"]], [[s for text in spans for s in text]]
    else:
        logits, (sequences, own) = _headed(model), _apart(model.config, encoded["input_ids"], spans)
    forward = _log_odds(logits, model.config.label2id[label], alone=model.config.problem_type == SEVERAL)
    inputs, masked = embedded(model, tokenizer, sequences, own)
    shares, losses = (by(forward, inputs, masked, own) for by in (gradients, occlusion))
    found = [{"gradients": share, "occlusion": loss} for share, loss in zip(shares, losses, strict=True)]
    with torch.inference_mode():
        odds, nothing = rounded(forward(*inputs)), rounded(forward(*masked))
    numbers = {"log_odds": odds, "nothing": nothing, "words_together": size}
    return {**numbers, "texts": parts(texts, spans, found)}


def passage_parts(encoder: Any, tokenizer: Any, question: str, passage: str) -> dict[str, Any]:
    """What is lost of the cosine of a question and a passage when one word of either is masked.

    `texts` holds the parts of both, as `label_parts` has them, with `occlusion` for the words. Gradients from two texts
    of masks would say nothing: those are as near to each other as texts can be.
    """
    read = [encoded_words(tokenizer, [text]) for text in (question, passage)]
    spans, size = few([words for _, (words,) in read])
    inputs, masked = embedded(encoder, tokenizer, [encoded["input_ids"] for encoded, _ in read], spans)

    def forward(asked: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cosine_similarity(_state(encoder, asked), _state(encoder, told))

    found: list[Part] = [{"occlusion": loss} for loss in occlusion(forward, inputs, masked, spans)]
    with torch.inference_mode():
        cosine = rounded(forward(*inputs))
    return {"cosine": cosine, "words_together": size, "texts": parts([question, passage], spans, found)}


def answer_parts(model: Any, tokenizer: Any, prompt: Prompt, answer: str) -> dict[str, Any]:
    """How many bits more a model needs for an answer when a word of its prompt is hidden from it.

    Hidden is: nothing attends to it, neither what follows in a decoder nor, of an encoder-decoder, any half; places
    stay. `texts` holds one text, the prompt as the model read it, in parts as `label_parts` has them, with `hidden` for
    the words; `bits` is what the answer needs with all of them.
    """
    asked, forward = (_written if model.config.is_encoder_decoder else _continued)(model, tokenizer, prompt, answer)
    text, pieces = of_decoded(tokenizer, asked)
    (spans,), size = few([in_words(text, pieces)])
    found: list[Part] = [{"hidden": lost} for lost in hidden(forward, len(asked), spans)]
    bits = rounded(-forward(torch.ones(1, len(asked))))
    return {"bits": bits, "words_together": size, "texts": parts([text], [spans], found)}


def _apart(
    config: Any, ids: Sequence[int], spans: Sequence[Sequence[Span]]
) -> tuple[list[list[int]], list[list[Span]]]:
    """One text, or two joined ones, as the model reads each by itself; spans have their places in it.

    As `separated` of models/pair_head.py cuts: up to the first separator; what stands before every text, and the rest,
    without the second of RoBERTa's two separators.
    """
    if len(spans) == 1:
        return [list(ids)], [list(spans[0])]
    before = list(ids[: starts(config)])
    end = list(ids).index(config.sep_token_id, len(before)) + 1
    begin = end + (ids[end] == config.sep_token_id and not is_last(config))
    second = [Span(s.start, s.end, tuple(place - begin + len(before) for place in s.tokens)) for s in spans[1]]
    return [list(ids[:end]), [*before, *ids[begin:]]], [list(spans[0]), second]


def _headed(model: Any) -> Logits:
    """The answers of models/text_head.py and models/pair_head.py."""
    return lambda *texts: model.head(*(_state(model.encoder, text) for text in texts))


def _state(encoder: Any, embeddings: torch.Tensor) -> torch.Tensor:
    """The state that stands for each text, as the heads and the scores take it."""
    mask = torch.ones(embeddings.shape[:2], dtype=torch.long, device=embeddings.device)
    return text_state(encoder, mask, inputs_embeds=embeddings)


def _asked(model: Any, encoded: Any) -> Logits:
    """The answers of a model that is asked for words (models/prompt_head.py), from the embeddings of its prompt."""
    fixed = {name: torch.tensor([values], device=model.device) for name, values in encoded.items()}

    def logits(embeddings: torch.Tensor) -> torch.Tensor:
        def instead(_: Any, __: Any, looked_up: torch.Tensor) -> torch.Tensor:
            # A decoder reads the last token once more, behind the others, and the words that it is asked for.
            read = torch.cat([embeddings, embeddings[:, -1:], looked_up[:, embeddings.shape[1] + 1 :]], dim=1)
            return read[:, : looked_up.shape[1]]

        hook = model.get_input_embeddings().register_forward_hook(instead)
        try:
            found = model(**{name: tensor.expand(len(embeddings), -1) for name, tensor in fixed.items()}).logits
        finally:
            hook.remove()
        return torch.as_tensor(found)

    return logits


def _log_odds(logits: Logits, label: int, *, alone: bool) -> Forward:
    """Of a label against all others together; where it stands `alone`, against its own absence."""

    def forward(*texts: torch.Tensor) -> torch.Tensor:
        found = logits(*texts).float()
        if alone:
            return found[:, label]
        others = torch.cat([found[:, :label], found[:, label + 1 :]], dim=1)
        return found[:, label] - others.logsumexp(1)

    return forward


def _continued(model: Any, tokenizer: Any, prompt: Prompt, answer: str) -> tuple[list[int], Forward]:
    """What a decoder reads of a prompt, and the log-likelihood of the answer in bits by which tokens of it are seen."""
    tokens, start = encode_completion(tokenizer, prompt, answer, room(model))
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

    return tokens[:start], forward


def _written(model: Any, tokenizer: Any, prompt: Prompt, answer: str) -> tuple[list[int], Forward]:
    """The same of an encoder-decoder."""
    source, target = encoder_decoder.encode_pair(tokenizer, prompt, answer, reads(model, tokenizer))
    one = encoder_decoder.batch_of([(source, target)], tokenizer.pad_token_id)

    def forward(seen: torch.Tensor) -> torch.Tensor:
        batch = {name: tensor.expand(len(seen), -1) for name, tensor in one.items()} | {"attention_mask": seen.long()}
        with torch.inference_mode():
            logits, labels = encoder_decoder.written_answers(model, {n: t.to(model.device) for n, t in batch.items()})
        nats = torch.nn.functional.cross_entropy(logits, labels, reduction="none").view(len(seen), -1)
        return -nats.sum(1).cpu() / math.log(2)

    return source, forward
