"""The artifact root: a folder, or s3://bucket/prefix of which this machine holds copies.

What lies there has a URI, which is the same on every machine and stands in manifests, dossiers and XComs; where it lies
on this machine is a path. Without S3 the two are the same.
"""

from __future__ import annotations

from pathlib import Path

from pipelines.errors import Refused
from pipelines.safe_names import objection
from pipelines.settings import Settings


def uri_of(path: Path, settings: Settings) -> str:
    """The name of a file or folder on every machine; of what is not of an artifact root in S3, its path."""
    if settings.store is None or not path.is_relative_to(settings.artifacts):
        return str(path)
    return f"{settings.store}/{path.relative_to(settings.artifacts).as_posix()}"


def path_of(uri: str, settings: Settings) -> Path:
    """Where something lies on this machine, or would. Raises Refused for an s3:// that is not of the artifact root."""
    if not uri.startswith("s3://"):
        return Path(uri)
    root = settings.store or settings.artifacts
    name = uri.removeprefix(f"{root}/")
    if name == uri or objection(name):
        raise Refused(f"{uri[:200]} is not of the artifact root {root}; set SCRIPTORIUM_ARTIFACTS to where it was made")
    return Path(settings.artifacts) / name


def is_in_store(path: Path, settings: Settings) -> bool:
    """Whether a path is this machine's copy of what counts in S3."""
    return uri_of(path, settings).startswith("s3://")
