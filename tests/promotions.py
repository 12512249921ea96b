"""Candidates with tiny real models, and their way to champion, for tests of what stands in MLflow."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines import dossier as dossiers
from pipelines import promote, registry
from pipelines.check_gates import check_gates
from pipelines.decision import Review
from pipelines.dossier import Dossier
from pipelines.settings import Settings
from tests.evidence import EXAMPLES, RECIPE, finished_run, tiny_classifier

ROW = {"text_a": "creates a table", "text_b": "deletes the table"}


def write_recipe(settings: Settings, name: str, *, at_least: float = 0.7) -> None:
    """The recipe of a product, with the limit of its first gate."""
    text = RECIPE.replace('name = "checker"', f'name = "{name}"').replace("at_least = 0.7", f"at_least = {at_least}")
    (settings.recipes / f"{name}.toml").write_text(text)


def classifier(folder: Path, seed: int) -> tuple[dict[str, Path], list[dict[str, Any]]]:
    """A tiny model's files, and the example with the answer that it really gives."""
    from models.serving import load

    files = tiny_classifier(folder, seed)
    answer = load(folder, "pair_classification")([ROW])[0]
    return files, [EXAMPLES[0] | ROW | answer]


def candidate(
    settings: Settings, name: str, run_id: str = "manual__1", seed: int = 1, **changes: Any
) -> tuple[Dossier, str]:
    """Evidence, gates and registration; returns the dossier and the candidate's URI."""
    write_recipe(settings, name, at_least=changes.pop("at_least", 0.7))
    files, examples = classifier(settings.home / f"model-{seed}", seed)
    given = {"model": files, "examples": examples, "recipe": {"name": name}} | changes
    run_uri, report = finished_run(settings, run_id, seed=seed, **given)
    uri = check_gates(run_uri, {"report": report})
    return dossiers.read(uri, settings), registry.register(run_uri, {"dossier": uri})


def review_of(dossier: Dossier, uri: str, decision: Any = "approved") -> Review:
    return Review(
        dossier=dossier.sha256,
        candidate=uri,
        decision=decision,
        reviewer="reviewer",
        reason="reads well",
        decided_at=datetime(2026, 11, 23, 12, tzinfo=UTC),
        requested_by="engineer",
        dag_id=f"train__{dossier.name}",
        run_id=dossier.run_id,
    )


def released(settings: Settings, name: str, **changes: Any) -> tuple[Dossier, str]:
    """A candidate that was approved and promoted; returns its dossier and version."""
    dossier, uri = candidate(settings, name, **changes)
    return dossier, promote.release(dossier, review_of(dossier, uri), settings)
