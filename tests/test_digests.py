"""The digests of a stream are those of its bytes, however it is cut into blocks."""

import base64
import hashlib
import random
import zlib

import pytest

from pipelines.digests import Digests


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 200, 1_000])
def test_digests_do_not_depend_on_how_the_stream_is_cut(size):
    content, rng = random.Random(size).randbytes(size), random.Random(1)
    parts = [hashlib.md5(content[start : start + 100]).digest() for start in range(0, max(size, 1), 100)]
    for _ in range(20):
        found, rest = Digests(part=100), content
        while rest:
            length = rng.randrange(0, 251)
            found.update(rest[:length])
            rest = rest[length:]
        assert found.md5 == hashlib.md5(content).hexdigest()
        assert found.sha256 == hashlib.sha256(content).hexdigest()
        assert base64.b64decode(found.crc32_base64) == zlib.crc32(content).to_bytes(4, "big")
        assert found.etag_of_parts == f"{hashlib.md5(b''.join(parts)).hexdigest()}-{len(parts)}"
