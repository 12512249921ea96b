"""Translators that `finetune.augment.back_translation` names: the models they stand for, found as bases are."""

from __future__ import annotations

from pathlib import Path

from pipelines.augment_recipe import Translator
from pipelines.base_source import find_base
from pipelines.recipe import Base
from pipelines.settings import Settings

# What names a model and its bytes, of a translator and of a base.
NAMING = ("model", "sha256", "files_sha256", "artifact")


def folder_of(translator: Translator, way: str, settings: Settings) -> Path:
    """Where a translator lies. Raises Refused when it is nowhere, or not what is pinned."""
    return find_base(as_base(translator), settings, key_of(way))


def as_base(translator: Translator) -> Base:
    """The same model as a base."""
    return Base(**{key: getattr(translator, key) for key in NAMING})


def key_of(way: str) -> str:
    """Where a recipe names a translator."""
    return f"finetune.augment.back_translation.{way}"
