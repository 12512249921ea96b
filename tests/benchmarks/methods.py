"""What each way of fine-tuning costs: weights that learn, processor seconds a step, memory, checkpoints.

    .venv/bin/python tests/benchmarks/methods.py [--steps 12] [--texts 32] [--length 32] [--only lora,fgm,...]

On all-MiniLM-L6-v2 (extra `demo`), a classifier of four labels, random words. The best of the steps counts, in
processor time of all threads, so that a busy neighbour changes little. Memory is what the process held at most while
it trained, above what it held before, the model loaded: gradients, optimiser, activations. Linux only.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import random
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from pipelines.base_source import find  # noqa: E402
from pipelines.settings import read_settings  # noqa: E402

WORDS = ("table", "queue", "role", "key", "bucket", "alias")
LABELS = ("a", "b", "c", "d")
BESIDE: dict[str, dict[str, Any]] = {
    "top 2 of 6 layers": {"frozen_layers": 4},
    "optimizer = sgd": {"optimizer": "sgd"},
    "optimizer = adafactor": {"optimizer": "adafactor"},
    "class_weights, focal": {"class_weights": True, "focal": 2.0},
    "neftune": {"neftune": 5.0},
    "fgm": {"fgm": 0.5},
    "freelb": {"freelb": 0.5},
    "r_drop": {"r_drop": 1.0, "dropout": 0.1},
}


def variants() -> dict[str, dict[str, Any]]:
    from models.methods import METHODS

    return {f"method = {name}": {"method": name} for name in METHODS} | BESIDE


@dataclass(frozen=True)
class Cost:
    """One row: the share of the weights that learn, processor seconds of a step, and megabytes."""

    learns: float
    best: float
    median: float
    memory: float
    checkpoint: float


def measure(base: Path, changes: dict[str, Any], args: argparse.Namespace) -> Cost:
    """Train once, in a process of its own: what memory another row has left behind would be reused unseen."""
    from models import objectives
    from models.backbone import new_classifier
    from models.checkpoint import Checkpoints
    from models.methods import count
    from models.schedule import Passes
    from models.train import train
    from pipelines.chosen_method import chosen_method
    from pipelines.recipe import Finetune
    from pipelines.recipe_file import load_recipe

    recipe = load_recipe(ROOT / "pipelines" / "recipes" / "summary_checker.toml")
    recipe = recipe.model_copy(update={"finetune": Finetune(**changes)})
    model, tokenizer = new_classifier(base, LABELS, 1, args.length, 1)
    chosen = random.Random(1)
    texts = [(" ".join(chosen.choices(WORDS, k=args.length - 2)),) for _ in range(args.texts * args.steps)]
    plan = objectives.label_plan(tokenizer, texts, [n % 4 for n in range(len(texts))], Passes(args.texts, 1, 1))
    model, plan, pace = chosen_method(recipe, model, plan)
    learning, every = count(model)
    times = []

    def timed(items: Any, epoch: int) -> Any:
        times.append(time.process_time())
        return plan.collate(items, epoch)

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        before = forget_peak()
        train(model, replace(plan, collate=timed), pace, Checkpoints(Path(folder), 1e9, steps=args.steps))
        memory = held("VmHWM") - before
        kept = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()) / 1e6
    steps = sorted(after - before for before, after in pairwise(times[2:]))
    return Cost(learning / every, steps[0], steps[len(steps) // 2], memory, kept)


def forget_peak() -> float:
    """Have Linux count the most memory that was held from now on, see proc(5); what is held now, in megabytes."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return held("VmRSS")


def held(what: str) -> float:
    """Megabytes of memory as /proc/self/status names them."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return float(next(line for line in lines if line.startswith(what)).split()[1]) / 1e3


def alone(base: Path, changes: dict[str, Any], args: argparse.Namespace) -> Cost:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, base, changes, args).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--texts", type=int, default=32)
    parser.add_argument("--length", type=int, default=32)
    parser.add_argument("--only", default="", help="names of rows, with commas between them")
    args = parser.parse_args()
    rows = {n: c for n, c in variants().items() if not args.only or n.split(" = ")[-1] in args.only.split(",")}
    base = find("hf://sentence-transformers/all-MiniLM-L6-v2", None, read_settings())
    measured = {}
    for number, (name, changes) in enumerate(rows.items(), 1):
        print(f"{number} of {len(rows)}: {name}", file=sys.stderr, flush=True)
        measured[name] = alone(base, changes, args)
    first = next(iter(measured.values())).best
    print("| `[finetune]` | learns | s a step, best | median | best / first row | memory, MB | checkpoint, MB |")
    print("|" + "---|" * 7)
    for name, cost in measured.items():
        speed = f"{cost.best:.3f} | {cost.median:.3f} | {cost.best / first:.2f}"
        print(f"| {name} | {cost.learns:.1%} | {speed} | {cost.memory:,.0f} | {cost.checkpoint:,.1f} |")


if __name__ == "__main__":
    main()
