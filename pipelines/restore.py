"""Going back: a version that held `champion` before holds it again, proved to be what was promoted then.

Every action can be done twice: a restore that was killed anywhere is finished by running it again.
"""

from __future__ import annotations

from pipelines import dossier as dossiers
from pipelines import forgotten, ledger, registry
from pipelines.champion import changing, history, is_served, promoted_folder, record, require_known
from pipelines.dossier import Dossier
from pipelines.errors import Refused
from pipelines.ledger import AGAIN, Entry
from pipelines.settings import Settings
from pipelines.tracking import connect
from pipelines.try_out import try_out


def restore(name: str, version: str | None, by: str, reason: str, settings: Settings) -> str:
    """Make an earlier champion the champion again, the one before today's unless a version is named; returns it.

    Its bytes are hashed, and it is loaded and asked an example, before the alias moves. Raises Refused without a
    reason, for a version that never was the champion, and for one that is not what was promoted.
    """
    if not reason.strip():
        raise Refused("a restore needs a reason, which is recorded with your name: --reason '...'")
    require_known(name, settings)
    with changing(name, settings):
        entries = history(name, settings)
        version = version or unfinished(name, entries, settings)
        target = chosen(name, version, entries)
        version, held = target.facts["version"], registry.holder(connect(settings), name)
        now = ledger.of_champion(entries)
        if (
            now
            and held == now.facts["version"]
            and now.facts.get(AGAIN, held) == version
            and is_served(name, held, settings)
        ):
            print(f"{name} version {held} is the champion already; nothing was changed", flush=True)
            return held
        dossier = dossiers.read(dossiers.dossier_uri(target.dossier, settings), settings)
        require_unforgotten(dossier, settings)
        back_to = proved(target, dossier, settings)
        registry.set_champion(name, back_to, settings)
        told = {"by": by, "reason": reason.strip(), "instead_of": now.facts["version"] if now else ""}
        kept = {"version": back_to, "digest": target.facts["digest"], AGAIN: version}
        record("restored", name, target.dossier, {**kept, **told}, settings)
    print(f"{name} version {back_to} is the champion again, restored by {by}: {reason.strip()}", flush=True)
    return back_to


def unfinished(name: str, entries: list[Entry], settings: Settings) -> str | None:
    """The version of a restore that was killed between ledger and registry, which remembers it from here on.

    Run again, that restore ends there; it would else go back one champion further.
    """
    last, kept = entries[-1] if entries else None, registry.acknowledged(name, settings)
    if last is None or last.event != "restored" or kept in {None, last.sha256}:
        return None
    registry.acknowledge(name, last.sha256, settings)
    print(f"the restore of {last.at} was killed before its end, and is ended by this one", flush=True)
    return last.facts["version"]


def proved(target: Entry, dossier: Dossier, settings: Settings) -> str:
    """The version to give the alias to, hashed, loaded and asked an example.

    Where MLflow has lost or changed what was registered, the proved bytes are registered anew.
    """
    name, version = dossier.name, target.facts["version"]
    folder = promoted_folder(name, target, settings)
    if not is_served(name, version, settings):
        made = registry.register_promoted(folder, dossier, settings)
        record("registered", name, target.dossier, {"digest": target.facts["digest"], **made}, settings)
        print(f"MLflow does not hand out version {version} as it was promoted; its bytes are version {made['version']}")
        version = made["version"]
    try_out(version, dossier, settings)
    return version


def require_unforgotten(dossier: Dossier, settings: Settings) -> None:
    """Refuse a model that learned from rows which were forgotten since."""
    for act in forgotten.read(settings):
        if dossier.sha256 in act.models:
            raise Refused(
                f"the model of dossier {dossier.sha256[:12]} learned from rows that were forgotten on {act.at[:10]} "
                f"({act.reason}); retrain {dossier.name} instead"
            )


def chosen(name: str, version: str | None, entries: list[Entry]) -> Entry:
    """The promotion to go back to. Raises Refused, naming the versions there are, when there is none such."""
    line = ledger.line(entries)
    if not line:
        raise Refused(f"nothing was ever promoted as {name}; there is no champion to go back to")
    past = ", ".join(dict.fromkeys(e.facts["version"] for e in entries if e.event in ledger.CHAMPION))
    if version is None and len(line) == 1:
        raise Refused(f"{name} had no champion before version {line[0]}; --to goes to one of: {past}")
    target = ledger.promotion(entries, version or line[-2])
    if target is None:
        raise Refused(f"{name} version {version} never was the champion; --to goes to one of: {past}")
    return target
