"""A model as ONNX graphs, in fp32 or with int8 matrices: what a graph takes and says, and how it is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily
from torch import nn  # noqa: TID253

from models.encoding import encode_texts
from models.text_state import text_state
from models.tokenizer import save_tokenizer

# The file of a classifier's graph, or of an encoder's.
READER = "model.onnx"
# What a graph that reads takes of each text.
READ = ("input_ids", "attention_mask")
PLACES = ("first", "second")
SAMPLE = ("a text", "another, longer text")
# Bytes of a protocol buffer, with room for the graph beside the weights.
LARGEST = 2_000_000_000


class TextState(nn.Module):
    """An encoder, or a decoder without its head, that says the state that stands for a text."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> dict[str, torch.Tensor]:
        """Tokens of shape (texts, length) to states of shape (texts, width)."""
        return {"sentence_embedding": text_state(self.encoder, attention_mask, input_ids=input_ids)}


class TwoTexts(nn.Module):
    """A classifier of pairs that is given its two texts apart: where a pair is parted depends on its tokens."""

    def __init__(self, classifier: Any) -> None:
        super().__init__()
        self.read, self.head = TextState(classifier.encoder), classifier.head

    def forward(self, **texts: torch.Tensor) -> dict[str, torch.Tensor]:
        """Tokens of two texts, each of shape (pairs, length), to logits of shape (pairs, labels)."""
        states = [self.read(*(texts[f"{place}_{name}"] for name in READ)) for place in PLACES]
        return {"logits": self.head(*(state["sentence_embedding"] for state in states))}


def export(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write a model into a folder, as fp32 graphs beside its config and its tokenizer.

    What reads takes any number of texts of any length, what writes one text. Raises ValueError, by name, for a kind
    that no graph can hold.
    """
    from transformers import GenerationMixin

    from models.onnx_writers import graphs
    from models.prompt_head import CausalAnswer
    from models.virtual_tokens import length

    if isinstance(model, CausalAnswer):
        name = type(model).__name__
        raise ValueError(f"a {name} that is asked for words cannot become an ONNX file; one with a head can")  # noqa: TRY004
    _require_room(model)
    writes = isinstance(model, GenerationMixin) and model.can_generate()
    if writes and length(model.config):
        raise ValueError("virtual tokens of a model that writes cannot become part of ONNX files; take another method")
    folder.mkdir(parents=True, exist_ok=True)
    if writes:
        for name, graph in graphs(model).items():
            _write(*graph, folder / name)
        model.generation_config.save_pretrained(folder)
    else:
        _write(*_reading(model, tokenizer), folder / READER)
    model.config.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)


def _reading(model: Any, tokenizer: Any) -> tuple[Any, dict[str, torch.Tensor]]:
    """The graph of a classifier or an encoder, and a sample of what it takes."""
    from models.pair_head import PairClassifier
    from models.prompt_head import MaskedAnswer
    from models.text_head import TextClassifier

    if isinstance(model, PairClassifier):
        return TwoTexts(model), _of_two(_sample(tokenizer))
    if isinstance(model, MaskedAnswer):
        return model, _padded(tokenizer, [SAMPLE, SAMPLE[::-1]])
    return model if isinstance(model, TextClassifier) else TextState(model), _sample(tokenizer)


def _require_room(model: Any) -> None:
    """Raise ValueError for a model that is too large for a file."""
    size = sum(parameter.nbytes for parameter in model.parameters())
    if size > LARGEST:
        raise ValueError(f"its weights are {size:,} bytes in fp32, and an ONNX file holds {LARGEST:,}")


def quantise(folder: Path, target: Path) -> None:
    """Write the graphs of a folder into another with their matrices in int8, and all else of it as it is.

    Activations are quantised as they come (dynamic).
    """
    import shutil
    import tempfile

    from onnxruntime.quantization import quant_pre_process, quantize_dynamic

    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("*.onnx"))
    for file in sorted(folder.glob("*.onnx")):
        with tempfile.TemporaryDirectory(dir=target) as aside:
            ready = Path(aside) / file.name
            # Transposes what is transposed at each call, else an output layer tied to the embedding stays in fp32. The
            # weights then lie beside the file: with one matrix more they may be too many for it.
            beside = {"save_as_external_data": True, "all_tensors_to_one_file": True}
            quant_pre_process(file, ready, skip_symbolic_shape=True, **beside)
            quantize_dynamic(ready, target / file.name)


def _sample(tokenizer: Any) -> dict[str, torch.Tensor]:
    encoded = _padded(tokenizer, [(text,) for text in SAMPLE])
    return {name: encoded[name] for name in READ}


def _of_two(sample: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same texts as the first and, shorter by a token, as the second of pairs: their lengths have to differ."""
    cut = {"first": slice(None), "second": slice(-1)}
    return {f"{place}_{name}": sample[name][:, cut[place]] for place in PLACES for name in READ}


def _padded(tokenizer: Any, rows: list[tuple[str, ...]]) -> dict[str, torch.Tensor]:
    return dict(tokenizer.pad(encode_texts(tokenizer, rows), return_tensors="pt"))


def _write(graph: Any, sample: dict[str, Any], file: Path) -> None:
    """Trace a graph with a sample of what it takes, and write it with its weights.

    They lie inside the file: beside it, as the exporter's own saving lays them, a file could name any path.
    """
    import onnx_ir
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass, DeduplicateInitializersPass
    from transformers.exporters import OnnxConfig, OnnxExporter

    shapes = OnnxConfig(dynamic_shapes=_any_size(sample))
    program = OnnxExporter().export(graph.eval(), sample, shapes).program
    DeduplicateInitializersPass(size_limit=LARGEST)(program)  # what is used twice was transposed twice
    ClearMetadataAndDocStringPass()(program)  # which names the files of this machine
    onnx_ir.save(program, str(file))


def _any_size(sample: Any) -> Any:
    """Which axes of a sample may have any size: texts and tokens, and of one text the tokens."""
    from torch.export import Dim

    if isinstance(sample, torch.Tensor):
        return {axis: Dim.AUTO for axis in ((0, 1) if sample.ndim == 2 else (2,)) if sample.shape[axis] > 1}
    if isinstance(sample, dict):
        return {name: _any_size(part) for name, part in sample.items()}
    return [_any_size(part) for part in sample]
