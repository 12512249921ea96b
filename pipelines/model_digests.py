"""What identifies the folder of a found model: its weights, and the config and tokenizer that are read beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from pipelines.artifact import canonical, sha256_file, sha256_text
from pipelines.errors import Refused

WEIGHTS = "model.safetensors"
# What transformers reads. Notes, and files of other libraries, lie in one copy of a model and not in another.
CHAT_TEMPLATE = "chat_template.jinja"
BY_NAME = ("config.json", "generation_config.json", "merges.txt", CHAT_TEMPLATE)
READ = (*BY_NAME, "*token*.json", "*vocab*.json", "*vocab*.txt", "*.model")


class Named(Protocol):
    """What a recipe names a model by, beside its name."""

    @property
    def sha256(self) -> str | None:
        """Digest of the weights."""

    @property
    def files_sha256(self) -> str | None:
        """Digest of config and tokenizer."""


def digests_of(folder: Path) -> dict[str, str]:
    """The two digests of a model folder, by their names in a recipe."""
    return {"sha256": sha256_file(folder / WEIGHTS), "files_sha256": files_digest(folder)}


def files_digest(folder: Path) -> str:
    """One digest of the files that are read beside the weights, by name and content."""
    found = {path.name: path for pattern in READ for path in folder.glob(pattern) if path.is_file()}
    return sha256_text(canonical({name: sha256_file(path) for name, path in found.items()}))


def require_files(folder: Path, pinned: str | None, name: str) -> Path:
    """The folder. Raises Refused where what lies beside the weights is not what the run was frozen with."""
    if pinned and (found := files_digest(folder)) != pinned:
        raise Refused(
            f"{name}: config and tokenizer in {folder} have files_sha256 {found}, but the run was frozen with "
            f"{pinned}; put back what was there, or start a new run when the new ones are wanted"
        )
    return folder
