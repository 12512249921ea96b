"""What was exported as ONNX graphs, run by ONNX Runtime in the place of the torch model that it was made from."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import torch  # noqa: TID253 - this module is itself imported lazily

from models.backbone import Pair, config_of
from models.onnx import PLACES, READER
from models.onnx_writers import DECODER
from models.pair_head import separated
from models.tokenizer import load_tokenizer

Tensors = dict[str, torch.Tensor]


def load_exported(folder: Path) -> Pair:
    """The model of a folder of graphs, as callable as the one that it was made from, and its tokenizer."""
    from models.exported_writer import load_exported_writer

    writes = (folder / DECODER).is_file()
    return (load_exported_writer if writes else Reader)(folder), load_tokenizer(folder)


class Graph:
    """One graph, ready to run on the CPU with as many threads as torch has."""

    def __init__(self, file: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self.session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self.takes = {taken.name: taken.shape for taken in self.session.get_inputs()}
        self.says = [said.name for said in self.session.get_outputs()]

    def __call__(self, **read: torch.Tensor) -> Tensors:
        """What it says, by name, to what it takes by name; what it does not take is passed over."""
        found = self.session.run(self.says, {name: read[name].numpy() for name in self.takes})
        return dict(zip(self.says, map(torch.from_numpy, found), strict=True))


class Reader:
    """A classifier or an encoder.

    It is asked of one row at a time: the scale of an int8 activation depends on all that is read at once.
    """

    device = torch.device("cpu")
    rows_at_once = 1

    def __init__(self, folder: Path) -> None:
        self.config, self.graph = config_of(folder), Graph(folder / READER)

    def __call__(self, **read: torch.Tensor) -> SimpleNamespace:
        """What the model says of a row, by the names of its outputs, from tensors of shape (1, length)."""
        joined = "first_input_ids" in self.graph.takes
        return SimpleNamespace(**self.graph(**(self._apart(**read) if joined else read)))

    def _apart(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: torch.Tensor) -> Tensors:
        """The two texts of a joined pair, as a graph takes them."""
        texts = dict(zip(PLACES, separated(input_ids, attention_mask, self.config), strict=True))
        ids = {f"{place}_input_ids": text for place, text in texts.items()}
        return ids | {f"{place}_attention_mask": torch.ones_like(text) for place, text in texts.items()}
