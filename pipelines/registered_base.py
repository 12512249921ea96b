"""A base model named by the registry: an exact version, and the digest of the bytes that were promoted as it."""

from __future__ import annotations

import re

from pipelines import ledger
from pipelines.artifact import sha256_file
from pipelines.base_source import require_plain
from pipelines.champion import history, promoted_folder, require_holder, require_known
from pipelines.errors import Refused
from pipelines.ledger import Entry
from pipelines.model_digests import WEIGHTS
from pipelines.recipe import Base
from pipelines.recipe_fit import REGISTRY
from pipelines.settings import Settings

NAMED = re.compile(r"models:/(?P<name>[a-z][a-z0-9_]{1,60})(?:@champion|/(?P<version>[1-9]\d*))")


def is_registered(base: Base) -> bool:
    """Whether a base is named by the registry."""
    return str(base.model).startswith(REGISTRY)


def registered_base(base: Base, settings: Settings, key: str = "base") -> Base:
    """The base as the version that its name stands for now, with the digests of its artifact and of its weights.

    `key` is where the recipe names it.

    Only what promotion registered may be a base: nothing vouches for the bytes of any other version. Raises Refused for
    a name that is none, a version that is not there, bytes that the recipe does not pin, and PEFT weights or pickles.
    """
    named = NAMED.fullmatch(str(base.model))
    if named is None:
        raise Refused(f"{key}.model is {base.model!r}; of the registry it takes {REGISTRY}name@champion or /version")
    entry = _entry(named["name"], named["version"], settings, f"{key}.model")
    folder = promoted_folder(named["name"], entry, settings) / "model"
    require_plain(folder, f"{key} {base.model}")
    now = {"artifact": entry.facts["digest"], "sha256": sha256_file(folder / WEIGHTS)}
    for digest, found in now.items():
        if (pinned := getattr(base, digest)) and pinned != found:
            raise Refused(
                f"{key} {base.model} is version {entry.facts['version']} with {digest} {found}, but the recipe pins "
                f"{pinned}; name the version that is meant, or change {key}.{digest}"
            )
    version = f"{REGISTRY}{named['name']}/{entry.facts['version']}"
    print(f"{key} {base.model}: {version}, artifact {now['artifact']}", flush=True)
    return base.model_copy(update={"model": version, **now})


def _entry(name: str, version: str | None, settings: Settings, key: str) -> Entry:
    """Where the ledger says which bytes a version is, or the champion."""
    try:
        require_known(name, settings)
    except Refused as error:
        raise Refused(f"{key}: {error}") from None
    entries = history(name, settings)
    if version is None:
        entry = ledger.of_champion(entries)
        require_holder(name, entry, settings)
        if entry is None:
            raise Refused(f"{key}: {name} has no champion yet; train it, and have it approved")
        return entry
    promoted = ledger.promotion(entries, version)
    if promoted is None:
        raise Refused(f"{key}: {name} version {version} was never promoted; nothing vouches for its bytes")
    return promoted
