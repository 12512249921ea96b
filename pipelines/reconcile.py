"""What stands in MLflow's registry must follow from the ledger; what does not is undone, and written down.

MLflow lets whoever may register a version also move its aliases, and keeps no record of who did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from pipelines import ledger, registry
from pipelines.champion import changing, history, record
from pipelines.errors import Refused, ScriptoriumError, TryAgain
from pipelines.ledger import Entry
from pipelines.registry import Version
from pipelines.settings import Settings

# A promotion on another machine, whose lock we do not see, registers its version before the ledger knows of it.
STRAY_AFTER = timedelta(hours=1)


@dataclass(frozen=True)
class Deviation:
    """An alias or a version of a promoted model that no entry of the ledger explains, and what undoes it."""

    model: str
    what: str
    cure: str
    undo: Callable[[], None] = field(compare=False, repr=False)
    alias: str | None = None

    def __str__(self) -> str:
        return f"{self.model}: {self.what}, which no entry of the ledger explains"


def reconcile(settings: Settings) -> list[str]:
    """Undo what no ledger explains, in the registry of every recipe; returns what was undone, and what cannot be.

    Raises TryAgain when MLflow does not answer.
    """
    told: list[str] = []
    away: TryAgain | None = None
    for name in known(settings):
        try:
            told += [f"{found}; {found.cure}" for found in undone(name, settings, datetime.now(UTC))]
            told += lost(name, settings)
        except TryAgain as error:
            away = error
        except ScriptoriumError as error:
            told.append(f"{name}: {error}")
    # What was undone is told even if MLflow went away after it: a second try would find nothing and end well.
    if away and not told:
        raise away
    return told + ([str(away)] if away else [])


def as_task(settings: Settings) -> str:
    """`reconcile` as Airflow runs it. Raises Refused when anything was found: a red task is seen, a log is not."""
    if told := reconcile(settings):
        raise Refused("\n".join(told))
    print("every registered model is as its ledger says", flush=True)
    return "reconciled"


def known(settings: Settings) -> list[str]:
    """The names of all recipes, and of all models that anything was ever decided about here."""
    ledgers = ledger.ledger_path("any", settings).parent
    return sorted({path.stem for path in [*settings.recipes.glob("*.toml"), *ledgers.glob("*.jsonl")]})


def undone(name: str, settings: Settings, now: datetime) -> list[Deviation]:
    """Undo the deviations of one model, each written down before, so that none is undone unseen."""
    with changing(name, settings):
        entries = history(name, settings)
        last, newest = ledger.of_champion(entries), entries[-1] if entries else None
        found = list(deviations(name, entries, settings, now))
        for deviation in found:
            facts = {"what": deviation.what, "cure": deviation.cure}
            newest = record("undone", name, last.dossier if last else "", facts, settings, after=newest)
            deviation.undo()
    return found


def deviations(name: str, entries: Sequence[Entry], settings: Settings, now: datetime) -> Iterator[Deviation]:
    """What the ledger does not explain: `champion`, in any spelling, where it does not belong, and strange versions."""
    last = ledger.of_champion(list(entries))
    wanted, held = last.facts["version"] if last else None, registry.aliases_of(name, settings)
    versions = registry.versions_of(name, settings)
    for alias, version in misplaced(held, wanted).items():
        if version and version not in {made.version for made in versions}:
            continue  # nothing can be given to what is gone; `lost` tells of it
        what = f"alias {alias} is held by " + (f"version {held[alias]}" if alias in held else "nobody")
        cure = f"given back to version {version}" if version else "taken away"
        undo = partial(registry.put_alias, name, alias, version, settings)
        yield Deviation(name, what, cure, undo, alias)
    for made in strange(entries, versions, now):
        who = made.by or "somebody"
        what = f"version {made.version} was registered by {who} at {made.at:%Y-%m-%d %H:%M} UTC from {made.source!r}"
        undo = partial(registry.delete_version, name, made.version, settings)
        yield Deviation(name, what, "deleted from the registry", undo)


def strange(entries: Sequence[Entry], versions: Sequence[Version], now: datetime) -> Iterator[Version]:
    """Versions that no promotion registered, and those that took the number of one that was, from somewhere else."""
    vouched = {entry.facts["version"]: entry.facts.get("source") for entry in entries if entry.event == "registered"}
    for made in versions:
        if made.version not in vouched:
            if now - made.at > STRAY_AFTER:
                yield made
        elif vouched[made.version] not in {None, made.source}:
            yield made


def lost(name: str, settings: Settings) -> list[str]:
    """What is missing from the registry, and cannot be put back by moving anything."""
    last = ledger.of_champion(history(name, settings))
    if last is None:
        return []
    told, version = [], last.facts["version"]
    if version not in {made.version for made in registry.versions_of(name, settings)}:
        cure = f"bring its bytes back: scriptorium restore {name} --to {version} --reason '...'"
        told.append(f"{name}: version {version}, the champion, is not in MLflow any more; {cure}")
    if registry.acknowledged(name, settings) is None:
        cure = f"prove the ledger against its backup; the next decision about {name} writes it anew"
        told.append(f"{name}: the ledger's last hash, which is kept beside the model in MLflow, is gone; {cure}")
    return told


def misplaced(held: Mapping[str, str], wanted: str | None) -> dict[str, str | None]:
    """Each alias spelt like `champion` that is not where it belongs, and where it does; None: nowhere."""
    right = {registry.CHAMPION: wanted}
    spelt = {registry.CHAMPION, *(alias for alias in held if alias.casefold() == registry.CHAMPION)}
    return {alias: right.get(alias) for alias in sorted(spelt) if held.get(alias) != right.get(alias)}
