"""What a stream of bytes is, in every spelling that a store may give for it."""

from __future__ import annotations

import base64
import hashlib
import math
import zlib
from pathlib import Path

BLOCK = 1 << 20


class Digests:
    """Hashes of one stream, computed while it passes.

    S3 gives an object that was uploaded in parts the ETag md5(md5(part 1) + md5(part 2) + ...)-N; `part` is their
    size in bytes, if it is known.
    """

    def __init__(self, part: int | None = None) -> None:
        self.size = 0
        self._part = part
        self._parts: list[bytes] = []
        self._in_part = hashlib.md5(usedforsecurity=False)
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256()
        self._crc32 = 0

    def update(self, block: bytes) -> None:
        """Take the next bytes."""
        self._md5.update(block)
        self._sha256.update(block)
        self._crc32 = zlib.crc32(block, self._crc32)
        if self._part:
            self._split(memoryview(block), self._part)
        self.size += len(block)

    def _split(self, block: memoryview, part: int) -> None:
        room = part - self.size % part
        while len(block) >= room:
            self._in_part.update(block[:room])
            self._parts.append(self._in_part.digest())
            self._in_part = hashlib.md5(usedforsecurity=False)
            block, room = block[room:], part
        self._in_part.update(block)

    @property
    def md5(self) -> str:
        return self._md5.hexdigest()

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    @property
    def sha256_base64(self) -> str:
        return base64.b64encode(self._sha256.digest()).decode()

    @property
    def crc32_base64(self) -> str:
        return base64.b64encode(self._crc32.to_bytes(4, "big")).decode()

    @property
    def etag_of_parts(self) -> str | None:
        """The ETag of an upload in parts; None when the size of the parts is not known."""
        if not self._part:
            return None
        rest = [self._in_part.digest()] if self.size % self._part or not self._parts else []
        joined = b"".join(self._parts + rest)
        return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{max(1, math.ceil(self.size / self._part))}"


def digests_of(path: Path, part: int | None = None) -> Digests:
    """The digests of a file on this machine."""
    found = Digests(part)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            found.update(block)
    return found
