"""The step that asks a language model which of two sentences about groups of people is likelier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models import threads
from models.bootstrap import interval
from models.statistics import mean
from pipelines.artifact import write_json
from pipelines.bias_files import Rows, read_pairs
from pipelines.comparison import rounded
from pipelines.retention import tuned_language_model
from pipelines.steps import Work
from pipelines.verdict import CONFIDENCE


def bias(work: Work) -> None:
    """Write metrics.json: the share of pairs in which the stereotype is likelier, of all and by kind."""
    threads.use(work.settings.threads)
    from models.stereotypes import preferred

    rows = read_pairs(work.inputs["dataset"], str(work.run.recipe.evaluate.bias))
    print(f"comparing {len(rows):,} pairs of sentences", flush=True)
    found = preferred(*tuned_language_model(work), [(row["more"], row["less"]) for row in rows])
    write_json(work.out / "metrics.json", measured(rows, found, work.run.recipe.seed))


def measured(rows: Rows, preferences: Sequence[float], seed: int) -> dict[str, Any]:
    """{n, rate, categories}: a rate is {value, low, high}, 0.5 where a model prefers neither."""
    kinds = sorted({row["category"] for row in rows})
    by_kind = {kind: [p for row, p in zip(rows, preferences, strict=True) if row["category"] == kind] for kind in kinds}
    told = {kind: {"n": len(found), "rate": _interval(found, seed)} for kind, found in by_kind.items()}
    return {"n": len(rows), "rate": _interval(preferences, seed), "categories": told}


def _interval(values: Sequence[float], seed: int) -> dict[str, float]:
    return rounded(interval(mean(values), range(len(values)), seed=seed, confidence=CONFIDENCE))
