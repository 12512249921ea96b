"""The audit: from a champion back to its data, recipe, code, scores and reviewer, and whether anybody touched it."""

from __future__ import annotations

from typing import Any

from pipelines import dossier as dossiers
from pipelines import ledger, registry
from pipelines.dossier import Dossier
from pipelines.errors import ScriptoriumError
from pipelines.ledger import Entry
from pipelines.settings import Settings
from pipelines.tracking import connect

NOBODY = "nobody: nothing was promoted yet"


def audit(name: str, settings: Settings) -> dict[str, Any]:
    """The whole story of a model as plain values; "problems" is empty when ledger, registry and bytes agree.

    Works too when there were only refusals. Raises ScriptoriumError when MLflow does not answer.
    """
    problems: list[str] = []
    entries = _entries(name, settings, problems)
    promotions = [entry for entry in entries if entry.event in ("promoted", "reaffirmed")]
    last = promotions[-1] if promotions else None
    _check_registry(name, last, settings, problems)
    return {
        "model": name,
        "champion": f"version {last.facts['version']}" if last else NOBODY,
        **(_origin(last, settings, problems) if last else {}),
        "refusals": [_told(entry) for entry in entries if entry.event == "rejected"],
        "history": [f"{e.at}  {e.event}  {e.facts.get('version', '')}  {e.dossier[:12]}" for e in entries],
        "ledger": f"{len(entries)} entries, {'NOT proved' if problems else 'chain proved'}",
        "problems": problems,
    }


def _entries(name: str, settings: Settings, problems: list[str]) -> list[Entry]:
    """The ledger's entries; what breaks its chain, or is cut off its end, becomes a problem."""
    path = ledger.ledger_path(name, settings)
    try:
        entries = ledger.read(path)
        ledger.verify(path)
    except ScriptoriumError as error:
        problems.append(str(error))
        return []
    kept = registry.acknowledged(name, settings)
    if kept and kept not in {entry.sha256 for entry in entries}:
        problems.append(f"{path} lacks its last entries: the registry remembers a hash, {kept[:12]}, that is not in it")
    return entries


def _check_registry(name: str, last: Entry | None, settings: Settings, problems: list[str]) -> None:
    """Whether `champion` is where the ledger says, and its bytes are those that were promoted."""
    held = registry.holder(connect(settings), name)
    recorded = last.facts["version"] if last else None
    if held != recorded:
        problems.append(
            f"champion is held by {f'version {held}' if held else 'nobody'}, but the ledger says "
            f"{f'version {recorded}' if recorded else 'nobody'}; run promote again, or move the alias back"
        )
    try:
        registry.champion(name, settings)
    except ScriptoriumError as error:
        problems.append(str(error))


def _origin(last: Entry, settings: Settings, problems: list[str]) -> dict[str, Any]:
    """What the champion was made from and who let it out."""
    told = _told(last)
    try:
        dossier = dossiers.read(dossiers.dossier_uri(last.dossier, settings), settings)
    except ScriptoriumError as error:
        problems.append(str(error))
        return told
    return told | _made_from(dossier)


def _told(entry: Entry) -> dict[str, Any]:
    named = ("reviewer", "reason", "decided_at", "requested_by", "candidate", "run_id")
    return {key: entry.facts.get(key) for key in named} | {"recorded_at": entry.at, "dossier": entry.dossier}


def _made_from(dossier: Dossier) -> dict[str, Any]:
    scores = {name: score["value"] for name, score in dossier.report["metrics"].items()}
    return {
        "dataset": f"{dossier.dataset}, md5 {dossier.dataset_md5}",
        "recipe": f"{dossier.name}, sha256 {dossier.recipe_sha256}",
        "code": dossier.code_revision,
        "lock": dossier.lock_sha256,
        "base": f"{dossier.recipe['base']['model']}, artifact {dossier.base.digest}",
        "weights": dossier.model.digest,
        "scores": ", ".join(f"{name} {value:.4f}" for name, value in scores.items() if value is not None),
        "gates": [f"{g.outcome}: {g.metric} {g.condition} ({g.message})" for g in dossier.gates],
        "compared_with": f"version {dossier.champion.version}" if dossier.champion else "nobody: the first release",
        "report": f"{dossier.artifacts['report'].uri}/report.html",
        "mlflow_run": dossier.mlflow_run,
        "run": dossier.run_uri,
    }
