"""A classifier of texts as an ONNX file, whole or with int8 weights, and its answers through ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily

from models.encoding import encode_texts
from models.predict import Progress, Texts


def export(model: Any, tokenizer: Any, file: Path) -> None:
    """Write a classifier of single texts as an fp32 ONNX file that takes any number of texts of any length.

    Raises ValueError for a classifier of pairs, which parts two texts by their tokens, and for a decoder that is asked
    for words, which lays out a row by how long it is: no graph can hold either.
    """
    import onnx_ir
    from transformers.exporters import OnnxConfig, OnnxExporter

    from models.prompt_head import MaskedAnswer
    from models.text_head import TextClassifier

    if not isinstance(model, TextClassifier | MaskedAnswer):
        raise ValueError(  # noqa: TRY004
            f"a {type(model).__name__} cannot become an ONNX file; only a classifier of single texts can"
        )
    sample = dict(_padded(tokenizer, [("a text",), ("another, longer text",)]))
    # Weights inside the file: beside it, as the exporter's own saving lays them, a file could name any path.
    onnx_ir.save(OnnxExporter().export(model, sample, OnnxConfig(dynamic=True)).program, str(file))


def quantise(file: Path, target: Path) -> None:
    """Write the same network with its matrices in int8; activations are quantised as they come (dynamic)."""
    from onnxruntime.quantization import quantize_dynamic

    quantize_dynamic(file, target)


def classify(
    file: Path, model: Any, tokenizer: Any, rows: Sequence[Texts], progress: Progress | None = None
) -> tuple[list[dict[str, float]], list[float]]:
    """Probability of every label for each row, and the milliseconds that each took, one row at a time.

    Only the names of the labels are the torch `model`'s.
    """
    import time

    session, labels = _session(file), [model.config.id2label[n] for n in range(model.config.num_labels)]
    answers, took = [], []
    for number, row in enumerate(rows, 1):
        start = time.perf_counter()
        encoded = _padded(tokenizer, [row])
        (logits,) = session.run(["logits"], {i.name: encoded[i.name].numpy() for i in session.get_inputs()})
        took.append(1000 * (time.perf_counter() - start))
        answers.append(dict(zip(labels, torch.from_numpy(logits[0]).softmax(-1).tolist(), strict=True)))
        if progress:
            progress(number, len(rows))
    return answers, took


def _padded(tokenizer: Any, rows: Sequence[Texts]) -> Any:
    return tokenizer.pad(encode_texts(tokenizer, rows), return_tensors="pt")


def _session(file: Path) -> Any:
    """On the CPU, with as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
