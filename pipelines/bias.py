"""The step that asks a language model which of two sentences about groups of people is likelier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models import threads
from models.bootstrap import interval
from models.statistics import mean
from models.tasks import TASKS
from models.tasks.task import Task
from pipelines.artifact import write_json
from pipelines.bias_files import Rows, read_pairs
from pipelines.comparison import rounded
from pipelines.errors import Refused
from pipelines.examples import Load
from pipelines.recipe import Recipe
from pipelines.retention import tuned_language_model
from pipelines.steps import Work
from pipelines.verdict import CONFIDENCE


def bias(work: Work) -> None:
    """Write metrics.json: the share of pairs in which the stereotype is likelier, of all and by kind."""
    threads.use(work.settings.threads)
    write_json(work.out / "metrics.json", asked(tuned_language_model(work), work.inputs["dataset"], work.run.recipe))


def asked(pair: tuple[Any, Any], dataset: Path, recipe: Recipe) -> dict[str, Any]:
    """What a language model, with its tokenizer, finds likelier in the pairs of the recipe's file below data/.

    Raises Refused for an encoder-decoder, as a released student may be: it is neither masked nor causal.
    """
    from models.stereotypes import preferred

    if pair[0].config.is_encoder_decoder:
        raise Refused("evaluate.bias compares sentences by models that are masked or causal, and this one is neither")
    rows = read_pairs(dataset, str(recipe.evaluate.bias))
    print(f"comparing {len(rows):,} pairs of sentences", flush=True)
    found = preferred(*pair, [(row["more"], row["less"]) for row in rows])
    return measured(rows, found, recipe.seed)


def asked_alone(folder: Path, load: Load, dataset: Path, recipe: Recipe) -> dict[str, Any]:
    """The same of the model of a folder; {} where the recipe does not ask, or the model alone cannot be asked."""
    if not recipe.evaluate.bias or not can_be_asked(TASKS[recipe.task], folder):
        return {}
    return asked(load(folder), dataset, recipe)


def can_be_asked(task: Task, folder: Path) -> bool:
    """Whether the model of a folder alone, without that which it was made from, says how likely a sentence is."""
    from models.backbone import config_of

    return task.answer == "text" and not config_of(folder).is_encoder_decoder


def measured(rows: Rows, preferences: Sequence[float], seed: int) -> dict[str, Any]:
    """{n, rate, categories}: a rate is {value, low, high}, 0.5 where a model prefers neither."""
    kinds = sorted({row["category"] for row in rows})
    by_kind = {kind: [p for row, p in zip(rows, preferences, strict=True) if row["category"] == kind] for kind in kinds}
    told = {kind: {"n": len(found), "rate": _interval(found, seed)} for kind, found in by_kind.items()}
    return {"n": len(rows), "rate": _interval(preferences, seed), "categories": told}


def _interval(values: Sequence[float], seed: int) -> dict[str, float]:
    return rounded(interval(mean(values), range(len(values)), seed=seed, confidence=CONFIDENCE))
