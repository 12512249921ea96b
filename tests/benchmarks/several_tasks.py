"""What a task with few rows gains from another: alone, learned together, and after the other (docs/several-tasks.md).

    SCRIPTORIUM_THREADS=1 .venv/bin/python tests/benchmarks/several_tasks.py [--data ../shared/data] [--seeds 3]

The steps are those of a run (base, finetune, score) and are reused: a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import runpy
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from models.tasks import TASKS  # noqa: E402
from pipelines.mirror import here  # noqa: E402
from pipelines.recipe_file import parse_recipe  # noqa: E402
from pipelines.rows import read_rows  # noqa: E402
from pipelines.settings import Settings, read_settings  # noqa: E402
from pipelines.steps import make  # noqa: E402
from tests.benchmarks.stepwise import frozen_once, lines, sealed, stoppable  # noqa: E402
from tests.benchmarks.tasks import SPLITS, corpus_rows  # noqa: E402

DATA = {"corpus": "corpus/domain.jsonl", "examples": "tasks/own", "replay": {"corpus": "corpus/general.jsonl"}}
TEST = 400


@dataclass(frozen=True)
class Pair:
    """A set of which few rows are taken, another one, and the base that learns them."""

    own: str
    other: str
    rows: tuple[int, int]
    base: dict[str, Any]
    corpus: str
    finetune: dict[str, Any]


MICRO = {"model": {"scratch": "micro-encoder"}, "tokens": 60_000, "learning_rate": 2e-3}
PAIRS = (
    Pair(
        "cls_zh_hotel_sentiment",
        "cls_zh_shopping_sentiment",
        (96, 960),
        MICRO,
        "corpus_zh_ecommerce_reviews",
        {"epochs": 6, "learning_rate": 2e-3, "max_length": 96, "batch_size": 16},
    ),
)
OTHER = {"task": "classification", "examples": "tasks/other"}
TOGETHER = {
    "alone": {},
    "together, T = 1": {"auxiliary": [OTHER]},
    "together, T = 5": {"auxiliary": [OTHER], "task_temperature": 5.0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--home", type=Path, default=ROOT / ".scriptorium" / "several-tasks")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    os.environ["SCRIPTORIUM_HOME"] = str(args.home.resolve())
    settings = read_settings()
    told = ["| own task | other task | way | accuracy | least to greatest |", "|---|---|---|---|---|"]
    for pair in PAIRS:
        found = [of_seed(pair, seed, args.data, settings) for seed in range(1, args.seeds + 1)]
        for way in found[0]:
            values = [one[way] for one in found]
            sizes = [f"`{name}` ({n})" for name, n in zip((pair.own, pair.other), pair.rows, strict=True)]
            told.append(
                f"| {' | '.join(sizes)} | {way} | {mean(values):.3f} | {min(values):.3f} to {max(values):.3f} |"
            )
    print("\n".join(told))


def of_seed(pair: Pair, seed: int, data: Path, settings: Settings) -> dict[str, float]:
    """The test accuracy of each way, with one seed, which also chooses the rows."""
    examples = dataset(pair, seed, data, settings)
    base = made_base(pair, pair.base, seed, examples, settings)
    inputs = {"dataset": examples, "model": base}
    found = {way: accuracy(run(pair, seed, pair.base, settings, **more), inputs) for way, more in TOGETHER.items()}
    first = make("finetune", run(pair, seed, pair.base, settings, examples="tasks/other"), inputs)
    after = {"model": str(here(first) / "model"), "tokens": 2_000}
    base = made_base(pair, after, seed, examples, settings)
    found["after the other"] = accuracy(run(pair, seed, after, settings), inputs | {"model": base})
    print(f"{pair.own}, seed {seed}: {found}", flush=True)
    return found


def accuracy(run: str, inputs: dict[str, str]) -> float:
    """Of a fine-tuning on the test rows."""
    tuned = make("finetune", run, inputs)
    rows = read_rows(here(make("score", run, inputs | {"model": tuned})) / "predictions.jsonl")
    return TASKS["classification"].metrics(rows)["accuracy"]


def dataset(pair: Pair, seed: int, data: Path, settings: Settings) -> str:
    """Both sets as an artifact, with the first so many training rows of an order that the seed decides."""
    module = runpy.run_path(str(data / "splits.py"))
    files = {"corpus/domain.jsonl": lines(list(corpus_rows(data, (pair.corpus,)))[:3000])}
    files["corpus/general.jsonl"] = files["corpus/domain.jsonl"]
    for folder, name, most in zip(("own", "other"), (pair.own, pair.other), pair.rows, strict=True):
        parts = dict(zip(SPLITS, module["split"](module["load"](data / f"{name}.jsonl.gz")), strict=True))
        parts["train"].sort(key=lambda row: hashlib.sha1(f"{seed} {row['id']}".encode()).hexdigest())
        sizes = {"train": most, "validation": most if folder == "own" else 96, "test": TEST}
        files |= {f"tasks/{folder}/{split}.jsonl": lines(rows[: sizes[split]]) for split, rows in parts.items()}
    return sealed("dataset", files, settings)


def made_base(pair: Pair, base: dict[str, Any], seed: int, examples: str, settings: Settings) -> str:
    validation = sealed("validate", {"validation.json": "{}"}, settings)
    return make("base", run(pair, seed, base, settings), {"dataset": examples, "validation": validation})


def run(pair: Pair, seed: int, base: dict[str, Any], settings: Settings, **more: Any) -> str:
    """A frozen run; `more` are keys of [finetune], or the examples."""
    examples = more.pop("examples", DATA["examples"])
    values = {
        "name": "several_tasks",
        "description": "few rows beside more",
        "task": "classification",
        "seed": seed,
        "data": DATA | {"examples": examples},
        "base": base,
        "pretrain": {"objective": "masked", "tokens": 0},
        "finetune": pair.finetune | more,
        "review": {"reviewers": ["reviewer"]},
    }
    recipe = parse_recipe(values, pair.own)
    return frozen_once(recipe, "several", settings)


if __name__ == "__main__":
    stoppable(main)
