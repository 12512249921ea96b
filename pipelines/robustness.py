"""The step that asks a model again: some test rows with typos, other case, spaces or widths of characters."""

from __future__ import annotations

from models.tasks import TASKS
from pipelines.answers import kind_of
from pipelines.changed_rows import changed
from pipelines.examples import read_split
from pipelines.score import write_predictions
from pipelines.steps import Work


def robustness(work: Work) -> None:
    """Answer changed test rows; write predictions_KIND.jsonl for each kind of change."""
    import torch

    torch.set_num_threads(work.settings.threads)
    recipe = work.run.recipe
    task, rows = TASKS[recipe.task], read_split(work, "test")
    kind, beside = kind_of(task), kind_of(task).beside(work)
    for name in recipe.evaluate.robustness:
        asked = changed(task, rows, name)
        print(f"answering {len(asked):,} test examples anew: {name}", flush=True)
        predictions = kind.predictions(task, work.inputs["model"] / "model", asked, **beside)
        write_predictions(work.out / f"predictions_{name}.jsonl", predictions)
