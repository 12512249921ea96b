"""Where promoted models lie: below the artifact root, each by the digest of its artifact."""

from __future__ import annotations

from pathlib import Path

from pipelines.errors import ScriptoriumError
from pipelines.settings import Settings


def production_folder(name: str, digest: str, settings: Settings) -> Path:
    """Where the promoted bytes of a model lie, on this machine."""
    if len(digest) != 64 or not digest.isalnum():
        raise ScriptoriumError(f"{name}: {digest!r} is not the sha256 of a model: 64 hexadecimal digits are expected")
    return Path(settings.artifacts) / "production" / name / digest
