"""Machines of one artifact root in S3: each has a home of its own; a real S3 server is what they share."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines import s3
from pipelines.settings import Settings, read_settings
from tests.s3_server import Server

BUCKET = "artifacts"


class Machines:
    """Turns this process into one machine or another, all of the root s3://artifacts/<prefix>."""

    def __init__(self, folder: Path, prefix: str, server: Server, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.prefix, self.patch = folder, prefix, patch
        for name, value in server.environment().items():
            patch.setenv(name, value)
        patch.setenv("SCRIPTORIUM_ARTIFACTS", f"s3://{BUCKET}/{prefix}/")

    def be(self, name: str) -> Settings:
        """This process is a machine from now on."""
        self.patch.setenv("SCRIPTORIUM_HOME", str(self.folder / name))
        return read_settings()

    def stored(self, below: str = "") -> dict[str, bytes]:
        """Everything in the store, by its name below the root."""
        keys = [entry["Key"] for entry in s3.objects(BUCKET, f"{self.prefix}/{below}")]
        return {key.removeprefix(f"{self.prefix}/"): s3.small(BUCKET, key)[0] for key in keys}

    def put(self, name: str, content: bytes) -> None:
        s3.client().put_object(Bucket=BUCKET, Key=f"{self.prefix}/{name}", Body=content)

    def remove(self, name: str) -> None:
        s3.remove(BUCKET, f"{self.prefix}/{name}")
