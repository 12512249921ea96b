"""Today's gates over the reports of yesterday: what they would have said, and which of them ever stopped anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from pipelines import dossier as dossiers
from pipelines import ledger
from pipelines.artifact import read_json
from pipelines.champion import history, require_known
from pipelines.dossier import Dossier, whole
from pipelines.errors import Refused, ScriptoriumError
from pipelines.gates import judge, passed
from pipelines.ledger import Entry
from pipelines.mirror import here
from pipelines.policy_file import under_policy
from pipelines.recipe_file import recipe_named
from pipelines.settings import Settings
from pipelines.shared import bring_all
from pipelines.verdict import Verdict


@dataclass(frozen=True)
class Replayed:
    """One dossier: what became of it, what its gates said, and what those of today say of the same report."""

    dossier: str
    fate: str
    then: tuple[Verdict, ...]
    now: tuple[Verdict, ...]
    problem: str = ""

    @property
    def changed(self) -> bool:
        return not self.problem and passed(self.then) != passed(self.now)


def replay(name: str, settings: Settings) -> list[Replayed]:
    """Every dossier of a recipe under its gates, and the policy's, of today: those that were decided first, in order.

    Raises Refused for a name that nothing is known about.
    """
    require_known(name, settings)
    entries = history(name, settings)
    order = {entry.dossier: place for place, entry in enumerate(entries)}
    found = [_replayed(dossier, entries, settings) for dossier in _of(name, settings)]
    return sorted(found, key=lambda one: (order.get(one.dossier, len(entries)), one.dossier))


def blocked(found: list[Replayed]) -> dict[str, tuple[int, int]]:
    """How many reports each gate of today does not let pass, and of how many, by its metric and condition."""
    counts: dict[str, tuple[int, int]] = {}
    for verdict in (verdict for one in found for verdict in one.now):
        stopped, of = counts.get(key := f"{verdict.metric} {verdict.condition}", (0, 0))
        counts[key] = (stopped + (not verdict.passed), of + 1)
    return counts


def _of(name: str, settings: Settings) -> Iterator[Dossier]:
    bring_all(dossiers.folder(settings), settings, named=[dossiers.DOSSIER])
    for path in sorted(dossiers.folder(settings).glob(f"*/{dossiers.DOSSIER}")):
        # Of all recipes: what cannot be read, of whichever, must not hide the others.
        with suppress(Refused):
            dossier = dossiers.read(dossiers.dossier_uri(path.parent.name, settings), settings)
            if dossier.name == name:
                yield dossier


def _replayed(dossier: Dossier, entries: list[Entry], settings: Settings) -> Replayed:
    gates = under_policy(recipe_named(dossier.name, settings), settings).gates
    report = dossier.artifacts["report"]
    try:
        if whole(report.uri).digest != report.digest:
            return Replayed(dossier.sha256, _fate(dossier, entries), dossier.gates, (), "its report is another now")
        now = judge(gates, read_json(here(report.uri) / "report.json"))
    except (ScriptoriumError, OSError) as error:
        return Replayed(dossier.sha256, _fate(dossier, entries), dossier.gates, (), str(error))
    return Replayed(dossier.sha256, _fate(dossier, entries), dossier.gates, tuple(now))


def _fate(dossier: Dossier, entries: list[Entry]) -> str:
    """The last that was decided about a dossier; "refused" by its gates, or still open."""
    mine = [entry for entry in entries if entry.dossier == dossier.sha256 and entry.event not in ledger.EACH_TIME]
    if mine:
        last = mine[-1]
        return f"{last.event} {last.at[:10]}" + (f", version {v}" if (v := last.facts.get("version")) else "")
    return "open" if passed(dossier.gates) else "stopped by its gates"
