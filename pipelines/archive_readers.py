"""The members of tar and zip files, read as a stream that ends as soon as it grows beyond its bounds."""

from __future__ import annotations

import gzip
import io
import os
import re
import stat
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pipelines.errors import Refused

BLOCK = 1 << 20
HEADER = 256 << 10  # bytes that the description of one member may take, long names included
DIGITS = 100  # Python before 3.11.10 takes quadratic time to find the end of a number in a description
DIRECTORY = 16 << 20  # bytes of a zip file's directory, all of which is held in memory
SMALL = 10_000_000  # expanded bytes below which no ratio is judged
END = bytes(tarfile.BLOCKSIZE)
ENCRYPTED = 0x1 | 0x40


@dataclass(frozen=True)
class Bounds:
    """What an archive may grow to."""

    members: int = 100_000
    size: int = 50_000_000_000  # bytes, expanded
    ratio: float = 100.0  # expanded to packed


@dataclass(frozen=True)
class Member:
    """One member as the archive describes it. Its content is read before the next member is asked for."""

    name: str
    size: int
    is_folder: bool
    objection: str
    content: IO[bytes] | None = None


# What tarfile, zipfile, gzip and pyarrow raise for bytes that they cannot make sense of.
DAMAGE = (
    *(EOFError, OSError, ValueError, LookupError, OverflowError, NotImplementedError, RecursionError),
    *(zlib.error, struct.error, tarfile.TarError, zipfile.BadZipFile),
)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what a damaged archive raises into a refusal."""
    try:
        yield
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise Refused(f"{path} cannot be read: {error.strerror}") from None
    except DAMAGE as error:
        why = str(error).partition("\n")[0][:80] or type(error).__name__
        raise Refused(f"{path} is damaged, or not what its name says ({why}); send it again, whole") from None


class _Stream:
    """The expanded bytes of a tar file: forward only, bounded in all and in what describing a member may take."""

    def __init__(self, path: Path, source: Any, packed: IO[bytes], bounds: Bounds) -> None:
        self._path, self._source, self._packed, self._bounds = path, source, packed, bounds
        self._at = 0
        self._allowed = HEADER
        self._describes = True
        self.last = b""

    def tell(self) -> int:
        return self._at

    def seek(self, position: int) -> None:
        while self._at < position and self.read(min(position - self._at, BLOCK)):
            pass

    def read(self, size: int) -> bytes:
        if size > self._allowed:
            raise Refused(f"{self._path}: the description of a member takes more than {HEADER:,} bytes")
        blocks = []
        while size and (block := self._source.read(min(size, BLOCK))):
            blocks.append(block)
            size -= len(block)
            self._at += len(block)
            self._allowed -= len(block)
            self._refuse_bomb()
        self.last = b"".join(blocks)
        if self._describes and max(map(len, re.findall(rb"[0-9]+", self.last)), default=0) > DIGITS:
            raise Refused(f"{self._path}: the description of a member holds a number of more than {DIGITS} digits")
        return self.last

    def begin_content(self, size: int) -> None:
        """What is read next is content of this many bytes."""
        self._allowed, self._describes = size, False

    def begin_description(self, position: int) -> None:
        """Pass over what is left of the content; what is read next describes a member."""
        self.begin_content(max(0, position - self._at))
        self.seek(position)
        self._allowed, self._describes = HEADER, True

    def _refuse_bomb(self) -> None:
        if self._at > self._bounds.size:
            raise Refused(f"{self._path} expands to more than {self._bounds.size:,} bytes; send several smaller ones")
        if self._at > max(SMALL, self._bounds.ratio * self._packed.tell()):
            words = f"more than {self._bounds.ratio:g} times its packed size, as a bomb does"
            raise Refused(f"{self._path} expands to {words}; send it without packing it")


def tar_members(path: Path, bounds: Bounds) -> Iterator[Member]:
    """The members of a tar file in their order, whatever it is compressed with. Raises Refused."""
    with readable(path), path.open("rb") as packed, _expanded(path, packed) as source:
        stream = _Stream(path, source, packed, bounds)
        with tarfile.open(fileobj=stream, mode="r:") as tar:  # type: ignore[call-overload]
            while info := tar.next():
                # Neither is asked for again, and both would grow with the archive.
                tar.members, tar.pax_headers = [], {}
                stream.begin_content(info.size)
                yield _tar_member(tar, info)
                stream.begin_description(tar.offset)
        _refuse_rest(path, stream)


def _expanded(path: Path, packed: IO[bytes]) -> AbstractContextManager[Any]:
    if path.name.lower().endswith((".gz", ".tgz")):
        return gzip.GzipFile(fileobj=packed)
    if path.name.lower().endswith(".zst"):
        import pyarrow as pa

        expanded: AbstractContextManager[Any] = pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), "zstd")
        return expanded
    return nullcontext(packed)


def _tar_member(tar: tarfile.TarFile, info: tarfile.TarInfo) -> Member:
    kinds = {tarfile.SYMTYPE: "it is a symbolic link", tarfile.LNKTYPE: "it is a hard link"}
    if info.issparse():
        objection = "it is a sparse file"
    elif info.isreg() or info.isdir():
        objection = ""
    else:
        objection = kinds.get(info.type, "it is neither a file nor a folder")
    content = tar.extractfile(info) if info.isreg() and not objection else None
    return Member(info.name, info.size if content else 0, info.isdir(), objection, content)


def _refuse_rest(path: Path, stream: _Stream) -> None:
    """Prove that all of it was read: for tarfile, whatever is no header is the end of the archive."""
    if stream.last != END:
        raise Refused(f"{path} is cut or damaged at byte {stream.tell():,} of its content; send it again, whole")
    stream.begin_content(sys.maxsize)
    while rest := stream.read(BLOCK):
        if rest.count(0) != len(rest):
            raise Refused(f"{path} goes on after its end mark; send joined archives one by one")


class _Directory(io.FileIO):
    """A zip file whose directory cannot fill the memory."""

    def read(self, size: int | None = -1) -> bytes:
        left = os.fstat(self.fileno()).st_size - self.tell()
        if (left if size is None or size < 0 else min(size, left)) > DIRECTORY:
            raise Refused(f"{self.name}: its directory takes more than {DIRECTORY:,} bytes; send several smaller ones")
        return super().read(size)


def zip_members(path: Path, bounds: Bounds) -> Iterator[Member]:
    """The members of a zip file, as its directory lists them. Raises Refused."""
    with readable(path), _Directory(path) as file, zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
        _refuse_zip_bomb(path, infos, bounds)
        for info in infos:
            objection = _zip_objection(info)
            if info.is_dir() or objection:
                # zipfile cuts a name at NUL; its original has it still.
                yield Member(info.orig_filename, 0, info.is_dir(), objection)
            else:
                with archive.open(info) as content:
                    yield Member(info.orig_filename, info.file_size, is_folder=False, objection="", content=content)


def _zip_objection(info: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "it is a symbolic link"
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        return "it is neither a file nor a folder"
    if info.flag_bits & ENCRYPTED:
        return "it is encrypted"
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        return "it is packed by a method other than deflate"
    return ""


def _refuse_zip_bomb(path: Path, infos: list[zipfile.ZipInfo], bounds: Bounds) -> None:
    expanded, packed = sum(info.file_size for info in infos), path.stat().st_size
    if expanded > bounds.size:
        raise Refused(f"{path} expands to more than {bounds.size:,} bytes; send several smaller ones")
    if expanded > max(SMALL, bounds.ratio * packed):
        words = f"more than {bounds.ratio:g} times its packed size, as a bomb does"
        raise Refused(f"{path} expands to {words}; send it without packing it")
    if sum(info.compress_size for info in infos) > packed:
        raise Refused(f"{path} has members that share their bytes, as a bomb does; make it again with another program")
