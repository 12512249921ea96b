"""What wrong answers that are near a question add to a finder of answers: a table of docs/retrieval.md.

    .venv/bin/python tests/benchmarks/hard_negatives.py [--data ../shared/data] [--home FOLDER]

MedQuAD and all-MiniLM-L6-v2 (extra `demo`). The steps are those of a run (base, finetune, score) and are reused when
nothing changed: a run that was stopped goes on, and ways that are not whole are left out. One thread.
"""

from __future__ import annotations

import os
import statistics
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from models.bootstrap import difference  # noqa: E402
from models.tasks import TASKS  # noqa: E402
from pipelines.artifact import read_json  # noqa: E402
from pipelines.comparison import Comparison  # noqa: E402
from pipelines.mirror import here  # noqa: E402
from pipelines.rows import read_rows  # noqa: E402
from pipelines.settings import read_settings  # noqa: E402
from pipelines.steps import make  # noqa: E402
from tests.benchmarks.side_by_side import ALONE  # noqa: E402
from tests.benchmarks.stepwise import put, stoppable  # noqa: E402
from tests.benchmarks.students import arguments  # noqa: E402
from tests.benchmarks.task_sets import Set  # noqa: E402
from tests.benchmarks.tasks import backbone, dataset, frozen  # noqa: E402

SEEDS = (7, 8)
TUNED = {"learning_rate": 1e-4, "epochs": 1, "max_length": 96, "batch_size": 32, "frozen_layers": 0}
FOUND = Set("faq_en_medquad", "retrieval", "MiniLM", TUNED, most=1_500, test=400)
WAYS: dict[str, dict[str, Any]] = {
    "none": {},
    'by = "words"': {"hard_negatives": {"by": "words"}},
    'by = "model"': {"hard_negatives": {"by": "model"}},
}


def main() -> None:
    args = arguments(("texts",), __doc__)
    os.environ.update(ALONE | {"SCRIPTORIUM_HOME": str(args.home.resolve())})
    settings = read_settings()
    rows = dataset(FOUND, args.data, settings)
    comparison = Comparison(TASKS["retrieval"], read_rows(here(rows) / "tasks" / "set" / "test.jsonl"), 7)
    base = backbone(FOUND, args.data, settings)
    found: dict[str, list[Any]] = {way: [] for way in WAYS}
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for seed in SEEDS:
        for way, changes in WAYS.items():
            print(f"== {way}, seed {seed}", flush=True)
            one = replace(FOUND, finetune=TUNED | changes)
            run = frozen(f"negatives-{seed}", one, settings, seed=seed)
            tuned = make("finetune", run, {"dataset": rows, "model": base})
            scored = make("score", run, {"dataset": rows, "model": tuned})
            found[way].append(read_rows(here(scored) / "predictions.jsonl"))
            seconds[way].append(read_json(here(tuned) / "timings.json")["training_seconds"])
        put(table(found, seconds, comparison), args.out, "hard_negatives.py")
    print(args.out)


def table(found: dict[str, list[Any]], seconds: dict[str, list[float]], comparison: Comparison) -> str:
    """A row for each way: means over seeds, and how the mean MRR differs from that without, over the questions."""
    rows = ["| `hard_negatives` | MRR | recall at 1 | difference of MRR | training s |", "|---" * 5 + "|"]
    mean = {way: [comparison.primary(one) for one in found[way]] for way in found}
    for way, of_seeds in found.items():
        metrics = [comparison.task.metrics(one) for one in of_seeds]
        shown = [f"{statistics.mean(one[name] for one in metrics):.3f}" for name in ("mrr", "recall_1")]
        gap = comparison.interval(difference(average(mean[way]), average(mean["none"])))
        said = "" if way == "none" else f"{gap['value']:+.3f} ({gap['low']:+.3f} to {gap['high']:+.3f})"
        rows.append(f"| {way} | {' | '.join(shown)} | {said} | {statistics.mean(seconds[way]):.0f} |")
    return "\n".join(rows)


def average(of_seeds: list[Any]) -> Any:
    """The mean of a statistic over seeds."""
    return lambda weights: sum(statistic(weights) for statistic in of_seeds) / len(of_seeds)


if __name__ == "__main__":
    stoppable(main)
