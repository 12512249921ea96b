"""What a recipe calls a file or folder below data/."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator


def below_data(name: str) -> str:
    """The name. Raises ValueError for one that leaves data/, or is not written as the data's files are named."""
    if name.startswith(("/", "~")) or ".." in name.split("/"):
        raise ValueError(f"{name[:60]!r} leaves data/; name a file or folder below it")
    if str(plain := PurePosixPath(name)) != name:
        raise ValueError(f"{name[:60]!r} is written as {str(plain)[:60]!r}")
    return name


BelowData = Annotated[str, AfterValidator(below_data)]
