"""The audit: from a champion back to its data, recipe, code, scores and reviewer, and whether anybody touched it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from pipelines import dossier as dossiers
from pipelines import judgements, ledger
from pipelines.champion import history, promoted_folder, require_holder, require_known, require_served
from pipelines.dossier import Dossier
from pipelines.errors import ScriptoriumError, TryAgain
from pipelines.ledger import Entry
from pipelines.reconcile import deviations, lost
from pipelines.registry import CHAMPION
from pipelines.settings import Settings

NOBODY = "nobody: nothing was promoted yet"
UNKNOWN = "unknown: see the problems"


def audit(name: str, settings: Settings) -> dict[str, Any]:
    """The whole story of a model as plain values; "problems" is empty when ledger, registry and bytes agree.

    Works too when there were only refusals. Raises Refused for a name that nothing is known about, and TryAgain when
    MLflow does not answer.
    """
    require_known(name, settings)
    problems: list[str] = []
    entries = _entries(name, settings, problems)
    last = ledger.of_champion(entries)
    if not problems:
        problems += _disagreements(name, last, settings)
        strange = deviations(name, entries, settings, datetime.now(UTC))
        problems += [str(found) for found in strange if found.alias != CHAMPION]
        problems += lost(name, settings)
    promoted = ledger.promotion(entries, last.facts["version"]) if last else None
    return {
        "model": name,
        "champion": f"version {last.facts['version']}" if last else UNKNOWN if problems else NOBODY,
        **({"restored": _restored(last)} if last and last.event == "restored" else {}),
        **(_origin(promoted, settings, problems) if promoted else {}),
        "undone": [f"{e.at}  {e.facts['what']}; {e.facts['cure']}" for e in entries if e.event == "undone"],
        "refusals": [_told(entry) for entry in entries if entry.event == "rejected"],
        "history": [f"{e.at}  {e.event}  {e.facts.get('version', '')}  {e.dossier[:12]}" for e in entries],
        "ledger": f"{len(entries)} entries, {'NOT proved' if problems else 'chain proved'}",
        "problems": problems,
    }


def _entries(name: str, settings: Settings, problems: list[str]) -> list[Entry]:
    """The ledger's entries as far as they can be read; what is wrong with them becomes a problem."""
    entries: list[Entry] = []
    try:
        entries = ledger.read(ledger.ledger_path(name, settings))
        history(name, settings)
    except TryAgain:
        raise
    except ScriptoriumError as error:
        problems.append(str(error))
    return entries


def _disagreements(name: str, last: Entry | None, settings: Settings) -> Iterator[str]:
    """Where the alias, the promoted bytes and what MLflow hands out are not what the ledger says."""
    checks: list[Callable[[], Any]] = [lambda: require_holder(name, last, settings)]
    if last:
        checks += [
            lambda: promoted_folder(name, last, settings),
            lambda: require_served(name, last.facts["version"], settings),
        ]
    for check in checks:
        try:
            check()
        except TryAgain:
            raise
        except ScriptoriumError as error:
            yield str(error)


def _origin(last: Entry, settings: Settings, problems: list[str]) -> dict[str, Any]:
    """What the champion was made from and who let it out."""
    told = _told(last)
    try:
        dossier = dossiers.read(dossiers.dossier_uri(last.dossier, settings), settings)
    except ScriptoriumError as error:
        problems.append(str(error))
        return told
    return told | _judged(last.dossier, settings) | _made_from(dossier)


def _restored(entry: Entry) -> str:
    facts = entry.facts
    return f"{entry.at} by {facts['by']}, instead of version {facts['instead_of']}: {facts['reason']}"


def _told(entry: Entry) -> dict[str, Any]:
    named = ("reviewer", "reason", "decided_at", "requested_by", "candidate", "run_id")
    where_there = ("first_reviewer", "first_reason", "first_decided_at", "judged")
    told = {key: entry.facts[key] for key in where_there if key in entry.facts}
    return {key: entry.facts.get(key) for key in named} | told | {"recorded_at": entry.at, "dossier": entry.dossier}


def _judged(seal: str, settings: Settings) -> dict[str, Any]:
    """What each reviewer said of the blind examples, whoever decided, and how far they agree."""
    found = [judged for judged in judgements.read_all(seal, settings) if judged.said]
    kappa = judgements.agreement(found)
    told = [f"{one.reviewer}: {judgements.tally(list(one.said.values()))}" for one in found]
    agree = {"agreement": f"Cohen's kappa {kappa:.2f}, mean over pairs of reviewers"} if kappa is not None else {}
    return ({"judgements": told} if told else {}) | agree


def _made_from(dossier: Dossier) -> dict[str, Any]:
    scores = {name: score["value"] for name, score in dossier.report["metrics"].items()}
    return {
        "dataset": f"{dossier.dataset}, md5 {dossier.dataset_md5}",
        "recipe": f"{dossier.name}, sha256 {dossier.recipe_sha256}",
        **({"policy": f"sha256 {dossier.policy_sha256}"} if dossier.policy_sha256 else {}),
        "code": dossier.code_revision,
        "lock": dossier.lock_sha256,
        "base": f"{dossier.recipe['base']['model']}, artifact {dossier.base.digest}",
        "weights": dossier.model.digest,
        **({"student_of": f"artifact {taught.digest}"} if (taught := dossier.artifacts.get("teacher")) else {}),
        "scores": ", ".join(f"{name} {value:.4f}" for name, value in scores.items() if value is not None),
        "gates": [f"{g.outcome}: {g.metric} {g.condition} ({g.message})" for g in dossier.gates],
        "compared_with": f"version {dossier.champion.version}" if dossier.champion else "nobody: the first release",
        "report": f"{dossier.artifacts['report'].uri}/report.html",
        "mlflow_run": dossier.mlflow_run,
        "run": dossier.run_uri,
    }
