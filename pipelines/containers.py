"""The bytes of a file, unpacked as a stream: gzip or Zstandard, whole, unharmed and of a bounded size, or refused."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pipelines.limits import MIB, Limits

MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "Zstandard"}
ENDINGS = {".gz": "gzip", ".zst": "Zstandard"}
PIECE = MIB  # bytes handed on at once
FREE = 8 * MIB  # bytes that may come out of a file before its ratio counts
READ = 64 * 1024
CURE = "send the file again, and compare its check sum with the sender's"


class Unreadable(Exception):
    """A file that cannot be read to its end, or must not be: which check refuses it, why, and what to do."""

    def __init__(self, check: str, message: str, cure: str) -> None:
        super().__init__(message)
        self.check, self.message, self.cure = check, message, cure


class Unpacked:
    """The content of a file in pieces of at most 1 MiB; `consumed` says how many bytes of the file they came from.

    Raises Unreadable for a damaged file, for one that unpacks too far, and when name and content disagree.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path, self.limits, self.consumed = path, limits, 0

    def __iter__(self) -> Iterator[bytes]:
        kind = container(self.path)
        out = 0
        with self.path.open("rb") as file:
            for piece in READERS[kind](file):
                out += len(piece)
                self.consumed = file.tell()
                refuse_bomb(out, self.consumed, self.limits)
                if out == len(piece) and (inner := _magic(piece)) != "none":
                    raise Unreadable("container", f"{kind} holds {inner} again", "pack the file once only")
                yield piece


def refuse_bomb(out: int, consumed: int, limits: Limits) -> None:
    """Raise Unreadable when `out` bytes came from `consumed` ones, and that is more than the limits allow."""
    if out > limits.unpacked_bytes:
        raise Unreadable(
            "decompression_bomb", f"it unpacks to more than {limits.unpacked_bytes:,} bytes", "split the file"
        )
    if out > FREE and out > limits.unpacked_ratio * consumed:
        raise Unreadable(
            "decompression_bomb",
            f"{consumed:,} bytes unpacked to {out:,}, more than {limits.unpacked_ratio:,g} times as many",
            "no text is packed as tightly as that: look at what the file holds",
        )


def container(path: Path) -> str:
    """gzip, Zstandard or none. Raises Unreadable when name and content disagree."""
    with path.open("rb") as file:
        kind = _magic(file.read(4))
    named = ENDINGS.get(path.suffix.lower(), "none")
    if path.stat().st_size and kind != named:
        said = f"the name says {named}" if named != "none" else "the name has no ending .gz or .zst"
        found = f"the content is {kind}" if kind != "none" else "the content is not"
        raise Unreadable("container", f"{said}, but {found}", "name the file for what it is")
    return named


def bare_name(path: Path) -> str:
    """The file's name in lower case, without the ending of its packing."""
    name = path.name.lower()
    return next((name.removesuffix(end) for end in ENDINGS if name.endswith(end)), name)


def _magic(start: bytes) -> str:
    return next((kind for magic, kind in MAGIC.items() if start.startswith(magic)), "none")


def _plain(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece


def _gunzip(file: BinaryIO) -> Iterator[bytes]:
    """Every member of a gzip file, its check sum and length compared; zeros after the last one are padding."""
    inflate = zlib.decompressobj(wbits=31)
    try:
        while packed := file.read(READ):
            while packed:
                if inflate.eof:
                    if not (packed := packed.lstrip(b"\0")):
                        break
                    inflate = zlib.decompressobj(wbits=31)
                if piece := inflate.decompress(packed, PIECE):
                    yield piece
                packed = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
    except zlib.error as error:
        raise Unreadable("container", f"the gzip data are damaged ({error}); nothing is taken", CURE) from None
    if not inflate.eof:
        raise Unreadable("container", "the gzip data end too early: the file was cut; nothing is taken", CURE)


def _unzstd(file: BinaryIO) -> Iterator[bytes]:
    import pyarrow as pa

    try:
        with pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd") as stream:
            while piece := stream.read(PIECE):
                yield piece
    except (pa.ArrowException, OSError) as error:
        cut = "Truncated" in str(error)
        why = "end too early: the file was cut" if cut else "are damaged"
        raise Unreadable("container", f"the Zstandard data {why}; nothing is taken", CURE) from None


READERS = {"gzip": _gunzip, "Zstandard": _unzstd, "none": _plain}
