"""Reading a file of rows, whatever it is packed in: JSON lines, CSV or Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipelines.blocks import Block
from pipelines.containers import Unpacked, Unreadable, bare_name
from pipelines.csv_blocks import CsvReader
from pipelines.formats import Row
from pipelines.json_blocks import JsonReader
from pipelines.limits import Limits
from pipelines.parquet_blocks import parquet_blocks
from pipelines.text_lines import text_blocks

JSON = (".jsonl", ".ndjson", ".json")
CURE = "name it .jsonl or .csv (either may be packed: .gz, .zst), .parquet, or an archive of these: .tar, .tar.gz, .zip"


def read_blocks(path: Path, form: type[Row], limits: Limits, *, keep: bool) -> Iterator[Block]:
    """The rows of a file in blocks, their JSON text too when `keep` asks for it.

    Raises Unreadable for a file that is no such file, is damaged, unpacks too far, or is UTF-16.
    """
    name, size = bare_name(path), path.stat().st_size
    if not size:
        return
    if name.endswith(".parquet"):
        yield from parquet_blocks(path, form, limits, keep=keep)
        return
    pieces = Unpacked(path, limits)
    lines = text_blocks(pieces, limits.line_bytes, keep_cr=name.endswith(".csv"))
    if name.endswith(".csv"):
        blocks = CsvReader(form, limits.line_bytes, keep=keep).blocks(lines)
    elif name.endswith(JSON):
        blocks = JsonReader(form, keep=keep).blocks(lines)
    else:
        raise Unreadable("container", f"the ending {Path(name).suffix[:20]!r} is not known", CURE)
    for block in blocks:
        block.read = pieces.consumed / size
        yield block
