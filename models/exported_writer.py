"""What writes, as graphs, under transformers' own generation: a model's class knows the rules, its graphs the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily
from torch import nn  # noqa: TID253
from transformers import Cache, DynamicCache, EncoderDecoderCache  # noqa: TID253
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutputWithPast, Seq2SeqLMOutput  # noqa: TID253

from models.backbone import config_of
from models.exported import Graph, Tensors
from models.onnx_writers import DECODER, ENCODER, PAST, PRESENT, Kept, cache_of, kept


def load_exported_writer(folder: Path) -> Any:
    """A decoder or an encoder-decoder whose graphs lie in a folder.

    It is of its own class in transformers, without weights: how prompts are prepared and tokens chosen stands there.
    """
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, GenerationConfig

    config = config_of(folder)
    auto, ours = (AutoModelForSeq2SeqLM, Answering) if config.is_encoder_decoder else (AutoModelForCausalLM, Writing)
    plain = auto._model_mapping[type(config)]  # noqa: SLF001
    with torch.device("meta"):
        model = type(plain.__name__, (ours, plain), {"__module__": plain.__module__})(config)
    model.generation_config = GenerationConfig.from_pretrained(folder, local_files_only=True)
    model.decoder_graph, model.said = DecoderGraph(folder / DECODER), nn.Identity()
    if config.is_encoder_decoder:
        model.reading = Reading(folder / ENCODER)
    return model.eval()


class DecoderGraph:
    """A decoder's graph. It takes one row at a time, and no padding."""

    def __init__(self, file: Path) -> None:
        self.graph = Graph(file)
        shapes = {name: shape for name, shape in self.graph.takes.items() if name.startswith(PAST)}
        self.nothing = {name: torch.zeros(1, heads, 0, width) for name, (_, heads, _, width) in shapes.items()}

    def __call__(self, tokens: torch.Tensor, cache: Cache | None, more: Tensors) -> tuple[torch.Tensor, Cache]:
        """Logits of shape (1, new, vocabulary) of the tokens behind those that the cache holds, and a cache of all."""
        past = _named(PAST, kept(cache)) if cache is not None and cache.get_seq_length() else self.nothing
        said = self.graph(input_ids=tokens, **past, **more)
        return said["logits"], cache_of(_layers(PRESENT, said))


class Graphs:
    """What all that is computed by graphs has in common."""

    device = torch.device("cpu")
    rows_at_once = 1
    decoder_graph: DecoderGraph

    def get_output_embeddings(self) -> Any:
        """Logits go through it as they are, for whoever picks some of them (`models.output_layer.only_states`)."""
        return getattr(self, "said", None)


class Writing(Graphs):
    """A decoder whose computing is a graph's."""

    def forward(
        self, input_ids: torch.Tensor, past_key_values: Cache | None = None, **_: Any
    ) -> CausalLMOutputWithPast:
        """Logits of shape (1, new, vocabulary) of the tokens behind those that the cache holds."""
        logits, cache = self.decoder_graph(input_ids, past_key_values, {})
        return CausalLMOutputWithPast(logits=self.get_output_embeddings()(logits), past_key_values=cache)


class Reading(nn.Module):
    """The encoder of an encoder-decoder: what its decoder looks up, and of its states only how many there are."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.graph = Graph(file)

    def forward(self, input_ids: torch.Tensor, **_: Any) -> BaseModelOutput:
        """Tokens of shape (1, length) to keys and values for each layer of the decoder."""
        return BaseModelOutput(torch.zeros(*input_ids.shape, 1), hidden_states=self.graph(input_ids=input_ids))


class Answering(Graphs):
    """An encoder-decoder whose computing is that of two graphs."""

    reading: Reading

    def get_encoder(self, modality: str | None = None) -> Reading:  # noqa: ARG002 - transformers asks so
        """What reads."""
        return self.reading

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        *,
        decoder_input_ids: torch.Tensor,
        encoder_outputs: BaseModelOutput | None = None,
        past_key_values: EncoderDecoderCache | None = None,
        **_: Any,
    ) -> Seq2SeqLMOutput:
        """Logits of shape (1, new, vocabulary) of the tokens behind those that the cache holds."""
        source = encoder_outputs or self.reading(input_ids)
        own = past_key_values.self_attention_cache if past_key_values is not None else None
        logits, cache = self.decoder_graph(decoder_input_ids, own, source.hidden_states)
        both = EncoderDecoderCache(cache, DynamicCache())
        return Seq2SeqLMOutput(logits=self.get_output_embeddings()(logits), past_key_values=both)


def _named(name: str, layers: Kept) -> Tensors:
    """Keys and values by the names that a graph has for them."""
    return {f"{name}.{n}.{part}": layer[part] for n, layer in enumerate(layers) for part in layer}


def _layers(name: str, said: Tensors) -> Kept:
    """Keys and values of each layer, from what a graph said."""
    count = sum(one.startswith(f"{name}.") for one in said) // 2
    return [{part: said[f"{name}.{n}.{part}"] for part in ("key", "value")} for n in range(count)]
