"""Checkpoints: only whole ones have a name, only the weights that learn are in them, and nothing in them is code."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily
from safetensors.torch import load_file, save_file

WEIGHTS = "weights.safetensors"
# What a checkpoint holds beside tensors: names, the curve, the generator's state.
BESIDE_TENSORS = 2**20


class NoSpace(Exception):
    """The disk has no room for a checkpoint; the one before it is still whole."""


@dataclass(frozen=True)
class Checkpoints:
    """Where a training keeps its checkpoints, and how many seconds and steps of work a kill may cost; 0 steps: any."""

    folder: Path
    every: float = 45.0
    steps: int = 0


def last_checkpoint(folder: Path) -> str | None:
    """The newest whole checkpoint. One that a kill left half-written has another name, and is removed."""
    shutil.rmtree(folder / "part", ignore_errors=True)
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    return str(found[-1]) if found else None


def keep(part: Path, folder: Path) -> None:
    """Give a finished checkpoint its name once all of it has reached the disk, and remove the older ones."""
    for path in part.iterdir():
        sync(path)
    if not folder.exists():
        part.replace(folder)
    for old in set(folder.parent.glob("checkpoint-*")) - {folder}:
        shutil.rmtree(old)


def forget_all_but(folder: Path, best: int) -> None:
    """Remove the weights of epochs that were the best before; the newest checkpoint knows of a better one."""
    for path in set(folder.glob("best-*.safetensors")) - {folder / f"best-{best}.safetensors"}:
        path.unlink()


def require_space(folder: Path, parts: Iterable[Mapping[str, Any]]) -> None:
    """Raise NoSpace when the disk of `folder` has fewer bytes free than the tensors of a checkpoint take."""
    folder.mkdir(parents=True, exist_ok=True)
    need = BESIDE_TENSORS + sum(t.nbytes for part in parts for t in part.values() if torch.is_tensor(t))
    free = shutil.disk_usage(folder).free
    if free < need:
        raise NoSpace(
            f"the disk is full ({folder}): a checkpoint needs {need / 1e6:,.1f} MB and {free / 1e6:,.1f} MB are free; "
            "free some space, or move SCRIPTORIUM_HOME; the next try goes on from the checkpoint before"
        )


def trainable(model: Any) -> dict[str, torch.Tensor]:
    """The weights that training changes, by name; tied ones once."""
    return {n: p.detach().contiguous() for n, p in model.named_parameters() if p.requires_grad}


def restore(model: Any, path: Path) -> None:
    """Put saved weights back, bit for bit. Raises KeyError when the file is of another model."""
    weights, parameters = load_file(path), dict(model.named_parameters())
    with torch.no_grad():
        for key, value in weights.items():
            parameters[key].copy_(value)


def save_whole(weights: dict[str, torch.Tensor], path: Path) -> None:
    """Write a safetensors file that is either whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file(weights, part)
    sync(part)
    part.replace(path)


def sync(path: Path) -> None:
    """Wait until a file's bytes have reached the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
