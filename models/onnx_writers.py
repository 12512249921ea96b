"""The graphs of models that write: one token more at a time, from what is kept of the tokens before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily
from torch import nn  # noqa: TID253
from transformers import Cache, DynamicCache, EncoderDecoderCache  # noqa: TID253
from transformers.cache_utils import DynamicLayer  # noqa: TID253
from transformers.modeling_outputs import BaseModelOutput  # noqa: TID253

# Of each layer, by "key" and "value", of shape (1, heads, tokens, width of a head).
Kept = Sequence[dict[str, torch.Tensor]]
Graph = tuple[nn.Module, dict[str, Any]]
# The files, and what goes in and comes out, as others' tools name them.
DECODER, ENCODER = "decoder_model.onnx", "encoder_model.onnx"
PAST, PRESENT, SOURCE = "past_key_values", "present", "source"


class Decoder(nn.Module):
    """A decoder that reads tokens behind those that it keeps, none or many, and looks up what an encoder read.

    `width` is that of the encoder's states, where there is one.
    """

    def __init__(self, model: Any, width: int) -> None:
        super().__init__()
        self.model, self.width = model, width

    def forward(self, input_ids: torch.Tensor, past_key_values: Kept, source: Kept | None = None) -> dict[str, Any]:
        """Tokens of shape (1, new) to logits of shape (1, new, vocabulary), and to all that is kept then."""
        cache = cache_of(past_key_values)
        if source is None:
            found = self.model(input_ids=input_ids, past_key_values=cache, use_cache=True)
            return {"logits": found.logits, PRESENT: kept(found.past_key_values)}
        # Of the states only the number counts: what is looked up in them stands in `source`.
        states = source[0]["key"].new_zeros(1, source[0]["key"].shape[2], self.width)
        found = self.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            decoder_input_ids=input_ids,
            past_key_values=EncoderDecoderCache(cache, cache_of(source)),
            use_cache=True,
        )
        return {"logits": found.logits, PRESENT: kept(found.past_key_values.self_attention_cache)}


class Encoder(nn.Module):
    """The encoder of an encoder-decoder, up to what each layer of the decoder looks up in it.

    The whole model is asked, for one token: whatever that is not needed for is no part of the graph.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor) -> dict[str, Any]:
        """Tokens of shape (1, length) to keys and values of shape (1, heads, length, width of a head)."""
        found = self.model(input_ids=input_ids, decoder_input_ids=input_ids[:, :1], use_cache=True)
        return {SOURCE: kept(found.past_key_values.cross_attention_cache)}


def graphs(model: Any) -> dict[str, Graph]:
    """The graphs of a model by the names of their files, each with a sample of what it takes.

    Raises ValueError for a kind of model that keeps something else of tokens than their keys and values.
    """
    read, written = torch.arange(1, 6)[None], torch.arange(1, 4)[None]
    answering = {"decoder_input_ids": written} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        found = model(input_ids=read, **answering, use_cache=True)
    cache, sample = getattr(found, "past_key_values", None), dict[str, Any](input_ids=written[:, 1:])
    caches = [cache.self_attention_cache, cache.cross_attention_cache] if answering and cache else [cache]
    for name, one in zip((PAST, SOURCE), caches, strict=False):
        sample[name] = kept(_keys_and_values(one, model.config.model_type))
    if not answering:
        return {DECODER: (Decoder(model, 0), sample)}
    width = found.encoder_last_hidden_state.shape[-1]
    return {ENCODER: (Encoder(model), {"input_ids": read}), DECODER: (Decoder(model, width), sample)}


def _keys_and_values(cache: Any, kind: str) -> Cache:
    """The cache, if that is all that it holds. Raises ValueError, naming the kind of model, if not."""
    if not (isinstance(cache, Cache) and all(isinstance(layer, DynamicLayer) for layer in cache.layers)):
        raise ValueError(f"a {kind} cannot become ONNX files: it keeps something else of tokens than keys and values")
    return cache


def cache_of(layers: Iterable[dict[str, torch.Tensor]]) -> Cache:
    return DynamicCache([(layer["key"], layer["value"]) for layer in layers])


def kept(cache: Cache) -> list[dict[str, torch.Tensor]]:
    return [{"key": layer.keys, "value": layer.values} for layer in cache.layers]
