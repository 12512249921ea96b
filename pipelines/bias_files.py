"""The file below data/ that `evaluate.bias` names: pairs of sentences, read strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipelines.errors import Refused
from pipelines.formats import FORMATS
from pipelines.rows import lines, parse, problems

Rows = list[dict[str, Any]]


def read_pairs(dataset: Path, name: str) -> Rows:
    """The rows of a file below data/. Raises Refused naming file, line and column of one that is no pair."""
    path, found = dataset / name, []
    if not path.is_file():
        raise Refused(f"evaluate.bias: data/ has no {name}; put it there, and `scriptorium data commit`")
    for number, line in lines(path):
        row = parse(line)
        wrong = row if isinstance(row, str) else "; ".join(why for *_, why in problems(row, FORMATS["bias_pairs"]))
        if wrong or isinstance(row, str):
            raise Refused(f"{path}, line {number}: {wrong}")
        found.append(row)
    if not found:
        raise Refused(f"{path} has no pairs; add some, or leave evaluate.bias out")
    return found
