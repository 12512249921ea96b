"""Reading a file of rows, whatever it is packed in: JSON lines, CSV or Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipelines.blocks import Block
from pipelines.containers import Unreadable, bare_name, unpacked
from pipelines.csv_blocks import CsvReader
from pipelines.formats import Row
from pipelines.json_blocks import JsonReader
from pipelines.limits import Limits
from pipelines.parquet_blocks import parquet_blocks
from pipelines.text_lines import text_blocks

JSON = (".jsonl", ".ndjson", ".json")


def read_blocks(path: Path, form: type[Row], limits: Limits, *, keep: bool) -> Iterator[Block]:
    """The rows of a file in blocks, their JSON text too when `keep` asks for it.

    Raises Unreadable for a file that is no such file, is damaged, unpacks too far, or is UTF-16.
    """
    name = bare_name(path)
    if not path.stat().st_size:
        return
    if name.endswith(".parquet"):
        yield from parquet_blocks(path, form, limits, keep=keep)
    elif name.endswith(".csv"):
        lines = text_blocks(unpacked(path, limits), limits.line_bytes, keep_cr=True)
        yield from CsvReader(form, limits.line_bytes).blocks(lines)
    elif name.endswith(JSON):
        lines = text_blocks(unpacked(path, limits), limits.line_bytes, keep_cr=False)
        yield from JsonReader(form, keep=keep).blocks(lines)
    else:
        raise Unreadable(
            "container",
            f"the ending {Path(name).suffix[:20]!r} is not known",
            "name it .jsonl, .csv (either may be packed: .gz, .zst) or .parquet; archives are .tar, .tar.gz or .zip",
        )
