"""S3: one client that is patient but not endless, its objects, and what goes wrong in words.

Endpoint, region and credentials come from where boto3 looks for them (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, profiles,
roles), never from an address or an argument, and stand in no message.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipelines.digests import BLOCK, Digests
from pipelines.errors import Refused, ScriptoriumError, TryAgain
from pipelines.s3_errors import Changed, Damaged, in_words, lost

PART = 16 << 20  # of an upload; bytes
CONNECTIONS = 16
# A connection that is refused or hangs is reported after at most 12 s; a lost one is taken up again this often.
PATIENCE = {"connect_timeout": 3, "read_timeout": 30, "retries": {"mode": "standard", "total_max_attempts": 3}}
LOST = 3
PLAIN = re.compile(r"[0-9a-f]{32}")
COLD = {"GLACIER", "DEEP_ARCHIVE"}
GONE = {"PreconditionFailed", "412", "NoSuchKey", "404", "InvalidRange"}
MISSING = {"404", "NoSuchKey"}
REFUSED = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}
UNKNOWN = {"NotImplemented", "501"}


def address(uri: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`. Raises Refused, without repeating what may be a secret."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if "@" in bucket or ":" in bucket:
        raise Refused("an s3:// address holds no credentials; boto3 reads them from AWS_ACCESS_KEY_ID and its like")
    if not re.fullmatch(r"[A-Za-z0-9._-]{3,255}", bucket):
        raise Refused(f"{uri[:80]!r} names no bucket; write s3://bucket/prefix/")
    return bucket, key


def client() -> Any:
    """The client for the environment as it is now. Raises ScriptoriumError when boto3 cannot make one of it."""
    return _client(tuple(sorted(item for item in os.environ.items() if item[0].startswith("AWS_"))))


@lru_cache(maxsize=4)
def _client(_environment: tuple[tuple[str, str], ...]) -> Any:
    from boto3.session import Session
    from botocore.config import Config

    # botocore would check a part against the checksum of the whole when a store gives that; `prove` knows better.
    config = Config(**PATIENCE, max_pool_connections=CONNECTIONS, response_checksum_validation="when_required")
    with in_words("S3"):
        try:
            return Session().client("s3", config=config)
        except ValueError:
            cure = "it takes an address as http://host:port"
            raise ScriptoriumError(f"AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL is not an address; {cure}") from None


def objects(bucket: str, prefix: str) -> Iterator[Mapping[str, Any]]:
    """Every object below a prefix, page by page, as `list_objects_v2` describes it."""
    with in_words(f"s3://{bucket}/{prefix}"):
        pages = client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for page in pages:
            yield from page.get("Contents", ())


def head(bucket: str, key: str) -> Mapping[str, Any] | None:
    """What the store says of an object; None when there is none."""
    from botocore.exceptions import ClientError

    with in_words(f"s3://{bucket}/{key}"):
        try:
            return dict(client().head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED"))
        except ClientError as error:
            if error.response["Error"]["Code"] in MISSING:
                return None
            raise


def part_size(bucket: str, key: str, etag: str) -> int | None:
    """The size of the parts in which an object was uploaded, if its ETag says that it was in several."""
    if "-" not in etag:
        return None
    with in_words(f"s3://{bucket}/{key}"):
        return int(client().head_object(Bucket=bucket, Key=key, PartNumber=1)["ContentLength"])


def read(bucket: str, key: str, etag: str, offset: int) -> Iterator[bytes]:
    """The bytes of an object from `offset` on. A lost connection is taken up where it broke.

    Raises Changed when the object is no longer the one with this ETag, TryAgain when the store stays away.
    """
    with in_words(f"s3://{bucket}/{key}"):
        yield from _read(bucket, key, etag, offset)


def _read(bucket: str, key: str, etag: str, offset: int) -> Iterator[bytes]:
    broken = 0
    while True:
        try:
            for block in _open(bucket, key, etag, offset)["Body"].iter_chunks(BLOCK):
                offset, broken = offset + len(block), 0
                yield block
        except lost() as error:
            broken += 1
            if broken > LOST:
                why = f"the connection is lost ({type(error).__name__})"
                raise TryAgain(f"s3://{bucket}/{key}: {why}; the next try goes on at byte {offset}") from None
        else:
            return


def _open(bucket: str, key: str, etag: str, offset: int) -> Mapping[str, Any]:
    from botocore.exceptions import ClientError

    where = f"s3://{bucket}/{key}"
    try:
        asked = {"Bucket": bucket, "Key": key, "IfMatch": f'"{etag}"'}
        found = client().get_object(**asked, **({"Range": f"bytes={offset}-"} if offset else {}))
    except ClientError as error:
        if error.response["Error"]["Code"] in GONE:
            raise Changed(f"{where} was changed or deleted while it was being read") from None
        raise
    # Not every store heeds IfMatch.
    if found["ETag"].strip('"') != etag:
        raise Changed(f"{where} was changed while it was being read")
    if offset and not found.get("ContentRange", "").startswith(f"bytes {offset}-"):
        raise ScriptoriumError(f"{where}: the server does not give parts of an object (Range), which resuming needs")
    return dict(found)


def prove(bucket: str, key: str, etag: str, found: Digests) -> str:
    """How the bytes that arrived were proved to be the object's: "md5", "sha256", "crc32", "md5 of parts" or "size".

    An ETag is the MD5 of the content, or of its parts, unless KMS encrypts it. Raises Damaged.
    """
    if found.md5 == etag:
        return "md5"
    where, promised = f"s3://{bucket}/{key}", head(bucket, key) or {}
    # Some stores give the checksum of checksums of parts, and do not say so.
    if promised.get("ChecksumType") == "FULL_OBJECT":
        for name, mine in (("SHA256", found.sha256_base64), ("CRC32", found.crc32_base64)):
            if theirs := promised.get(f"Checksum{name}"):
                return _same(name.lower(), mine, theirs, where)
    if promised.get("ServerSideEncryption", "AES256") != "AES256":
        return "size"
    if PLAIN.fullmatch(etag):
        return _same("md5", found.md5, etag, where)
    parts = found.etag_of_parts
    if parts and parts.rpartition("-")[2] == etag.rpartition("-")[2]:
        return _same("md5 of parts", parts, etag, where)
    return "size"


def _same(name: str, mine: str, theirs: str, where: str) -> str:
    if mine != theirs:
        raise Damaged(f"{where}: what arrived has {name} {mine}, the store holds {theirs}")
    return name


def upload(path: Path, bucket: str, key: str, sent: Callable[[int], None]) -> None:
    """Put a file there, in parts when it is large; boto3 sends a checksum that the store compares."""
    from boto3.s3.transfer import TransferConfig

    config = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=4)
    with in_words(f"s3://{bucket}/{key}"):
        client().upload_file(str(path), bucket, key, Config=config, Callback=sent)


def remove(bucket: str, key: str) -> None:
    """Delete an object."""
    with in_words(f"s3://{bucket}/{key}"):
        client().delete_object(Bucket=bucket, Key=key)


def small(bucket: str, key: str) -> tuple[bytes, str] | None:
    """All of an object and its ETag; None when there is none."""
    from botocore.exceptions import ClientError

    with in_words(f"s3://{bucket}/{key}"):
        try:
            found = client().get_object(Bucket=bucket, Key=key)
            return bytes(found["Body"].read()), str(found["ETag"]).strip('"')
        except ClientError as error:
            if error.response["Error"]["Code"] in MISSING:
                return None
            raise


def swap(bucket: str, key: str, content: bytes, etag: str | None) -> bool:
    """Put an object in the place of the one with this ETag, or of none; False when another lies there by now.

    Not every store heeds the condition; one that says so is asked without it.
    """
    from botocore.exceptions import ClientError

    asked = {"Bucket": bucket, "Key": key, "Body": content}
    with in_words(f"s3://{bucket}/{key}"):
        try:
            client().put_object(**asked, **({"IfMatch": f'"{etag}"'} if etag else {"IfNoneMatch": "*"}))
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in UNKNOWN:
                client().put_object(**asked)
            elif code in REFUSED | MISSING:
                return False
            else:
                raise
    return True
