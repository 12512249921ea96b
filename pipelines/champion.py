"""The champion: what the ledger says was promoted last. Nothing else is compared with, and nothing else is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines import ledger, registry
from pipelines.artifact import verify
from pipelines.artifact_root import uri_of
from pipelines.dossier import Dossier
from pipelines.errors import Refused, ScriptoriumError, TryAgain
from pipelines.ledger import SERVED, Entry
from pipelines.locks import lock
from pipelines.mirror import here
from pipelines.production import production_folder
from pipelines.recipe_file import recipe_named
from pipelines.served_model import fetched, hashes, load_pyfunc
from pipelines.settings import Settings
from pipelines.tracking import connect


@dataclass(frozen=True)
class Champion:
    """The version that was promoted last; `folder` is its verified artifact, fit to be a step's input."""

    version: str
    folder: Path
    digest: str


def champion(name: str, settings: Settings) -> Champion | None:
    """The model that was promoted last, its bytes verified, or None before the first release.

    Raises ScriptoriumError when the ledger is not whole, when `champion` is held by another version than the ledger
    says, or when the bytes are not those that were promoted.
    """
    last = ledger.of_champion(history(name, settings))
    require_holder(name, last, settings)
    if last is None:
        return None
    folder = promoted_folder(name, last, settings)
    return Champion(version=last.facts["version"], folder=folder, digest=last.facts["digest"])


def history(name: str, settings: Settings) -> list[Entry]:
    """The ledger of a model. Raises ScriptoriumError when its chain is broken, or lines were cut off its end."""
    path = ledger.ledger_path(name, settings)
    ledger.verify(path)
    entries, kept = ledger.read(path), registry.acknowledged(name, settings)
    if kept and kept not in {entry.sha256 for entry in entries}:
        raise ScriptoriumError(
            f"{path} lacks its last entries: the registry remembers a hash, {kept[:12]}, that is not in it; "
            "restore the ledger from its backup"
        )
    return entries


def write_down(event: ledger.Event, dossier: Dossier, facts: dict[str, str], settings: Settings) -> Entry:
    """Add a decision about a dossier to the ledger, unless it is there."""
    return record(event, dossier.name, dossier.sha256, facts, settings)


def record(  # noqa: PLR0913, PLR0917 - what an entry is made of, and what it was decided on
    event: ledger.Event, name: str, seal: str, facts: dict[str, str], settings: Settings, after: Entry | None = None
) -> Entry:
    """Add an entry to the ledger of a model, and keep the ledger's last hash beside the model.

    Raises ScriptoriumError when the ledger is not whole: what was cut off it must not be forgotten by what is added.
    With `after`, raises TryAgain when that is not its last entry any more: another machine has decided meanwhile.
    """
    entries = history(name, settings)
    if after and entries[-1] != after:
        raise TryAgain(
            f"the ledger of {name} has grown meanwhile: {entries[-1].event}; nothing was changed, so try again"
        )
    path = ledger.ledger_path(name, settings)
    entry = ledger.append(path, event, seal, facts)
    registry.acknowledge(name, ledger.verify(path), settings)
    return entry


@contextmanager
def changing(name: str, settings: Settings) -> Iterator[None]:
    """Hold the lock under which the champion of a model changes; say so when another process has it, and wait."""
    with lock(settings.locks / f"promote-{name}", f"another promotion of {name} is under way"):
        yield


def require_known(name: str, settings: Settings) -> None:
    """Refuse, with the near miss, a name that no recipe has and about which nothing was ever decided."""
    if not ledger.exists(name, settings):
        recipe_named(name, settings)


def require_holder(name: str, last: Entry | None, settings: Settings) -> None:
    """Refuse a `champion` that is held by another version than the one that was promoted last."""
    held, recorded = registry.holder(connect(settings), name), last.facts["version"] if last else None
    if held != recorded:
        raise ScriptoriumError(
            f"champion of {name} is held by {f'version {held}' if held else 'nobody'}, but the ledger says "
            f"{f'version {recorded}' if recorded else 'nobody'}; run promote again, or move the alias back"
        )


def promoted_folder(name: str, last: Entry, settings: Settings) -> Path:
    """The promoted artifact of an entry, every byte of it verified."""
    folder = here(uri_of(production_folder(name, last.facts["digest"], settings), settings))
    if verify(folder).digest != last.facts["digest"]:
        raise ScriptoriumError(f"{folder} is not what was promoted as version {last.facts['version']}: digests differ")
    return folder


@contextmanager
def load(name: str, version: str, settings: Settings) -> Iterator[Any]:
    """A promoted version, loaded as MLflow serves it, once every file has proved to be the one that was registered."""
    with served(name, version, settings) as folder:
        try:
            model = load_pyfunc(folder)
        except ValueError as error:
            raise Refused(f"{name} version {version}: {error}") from None
        yield model


@contextmanager
def served(name: str, version: str, settings: Settings) -> Iterator[Path]:
    """The files that MLflow hands out as a version: weights, manifest and code, each the one that was registered.

    Raises Refused naming the first that is not, and for a version that promotion did not register.
    """
    made = ledger.registration(history(name, settings), version)
    if made is None:
        raise Refused(f"{name} version {version} was not registered by promote; nothing vouches for its bytes")
    wanted = {n.removeprefix(SERVED): digest for n, digest in made.facts.items() if n.startswith(SERVED)}
    with fetched(connect(settings), name, version, settings) as folder:
        found = hashes(folder)
        if wrong := sorted(n for n in found.keys() | wanted.keys() if found.get(n) != wanted.get(n)):
            raise Refused(
                f"{name} version {version} in MLflow is not what was promoted: {wrong[0]} was changed, added or "
                "removed. It is not loaded; a new run of the same model registers it anew"
            )
        yield folder


def is_served(name: str, version: str, settings: Settings) -> bool:
    """Whether MLflow hands out a version as it was promoted; where it does not, the same bytes are registered anew."""
    try:
        require_served(name, version, settings)
    except ScriptoriumError:
        return False
    return True


def require_served(name: str, version: str, settings: Settings) -> None:
    """Refuse a version whose files MLflow does not hand out as they were registered."""
    with served(name, version, settings):
        pass
