"""What continued pretraining gains on a domain and costs on general text, by what holds it back: docs/forgetting.md.

    make forgetting
    .venv/bin/python tests/benchmarks/forgetting.py [--model tiny-decoder] [--ways naive "replay 10 %"] [--seeds 7]
        [--data FOLDER] [--home FOLDER] [--out FILE]

The steps are those of a run (base, pretrain) and are reused when nothing changed: a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from pipelines.artifact import read_json, write_json  # noqa: E402
from pipelines.mirror import here  # noqa: E402
from pipelines.recipe_file import parse_recipe  # noqa: E402
from pipelines.rows import read_rows  # noqa: E402
from pipelines.run import code_revision  # noqa: E402
from pipelines.settings import Settings, read_settings  # noqa: E402
from pipelines.steps import make  # noqa: E402
from tests.benchmarks.forgetting_table import KINDS, page  # noqa: E402
from tests.benchmarks.stepwise import frozen_once, lines, sealed, stoppable  # noqa: E402

SEEDS = (7, 8)
# Texts of a corpus that are learned from at most, and held out; a statute is cut into parts of so many characters.
GENERAL = {"file": "corpus_zh_ecommerce_reviews", "train": 6_000, "heldout": 300, "documents": 15_000}
DOMAIN = {"file": "corpus_zh_law", "train": 3_000, "heldout": 160, "documents": 200}
PART = 200
RECIPE: dict[str, Any] = {
    "name": "forgetting",
    "description": "What continued pretraining gains and costs",
    "task": "generation",
    "language": ["zh"],
    "review": {"reviewers": ["reviewer"]},
}
BASE = {"tokens": 500_000, "learning_rate": 2e-3}
PRETRAIN = {"objective": "causal", "tokens": 150_000, "learning_rate": 1e-3, "batch_tokens": 1024, "block": 128}
# What holds a model back: the share of general text, and what `[pretrain]` says.
WAYS: dict[str, tuple[float, dict[str, Any]]] = {
    "naive": (0.0, {}),
    "a third of the rate": (0.0, {"learning_rate": 1e-3 / 3}),
    "replay 1 %": (0.01, {}),
    "replay 5 %": (0.05, {}),
    "replay 10 %": (0.1, {}),
    "replay 25 %": (0.25, {}),
    "ewc 10": (0.0, {"ewc": 10.0}),
    "ewc 1,000": (0.0, {"ewc": 1_000.0}),
    "ewc 100,000": (0.0, {"ewc": 100_000.0}),
    "distil 1": (0.0, {"distil": 1.0}),
    "lora, rank 16": (0.0, {"method": "lora", "learning_rate": 3e-3}),
    "replay 10 %, ewc 10": (0.1, {"ewc": 10.0}),
    "replay 10 %, distil 1": (0.1, {"distil": 1.0}),
    "replay 10 %, 256 new tokens": (0.1, {"new_tokens": 256}),
}


def main() -> None:
    args = arguments()
    os.environ["SCRIPTORIUM_HOME"] = str(args.home.resolve())
    settings = read_settings()
    dataset = dataset_of(args.data, settings)
    results: dict[str, dict[int, Any]] = {name: {} for name in ("base", *WAYS) if name in args.ways}
    for seed in args.seeds:
        for name, of_seed in results.items():
            print(f"== {name}, seed {seed}", flush=True)
            of_seed[seed] = result(Training(name, seed, args.model), dataset, settings)
    args.out.write_text(page(results, groups_of(here(dataset)), told(args.model)), encoding="utf-8")
    print(args.out)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--home", type=Path, default=ROOT / ".scriptorium" / "forgetting")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "forgetting.md")
    parser.add_argument("--model", default="micro-decoder", help="a decoder of models/scratch.py")
    parser.add_argument("--ways", nargs="*", default=("base", *WAYS), help="rows; base and naive are always made")
    parser.add_argument("--seeds", type=int, nargs="*", default=SEEDS)
    found = parser.parse_args()
    found.ways = {"base", "naive", *found.ways}
    if unknown := found.ways - {"base", *WAYS}:
        parser.error(f"there is no row {min(unknown)!r}; --ways takes {', '.join(map(repr, WAYS))}")
    if not (found.data / f"{DOMAIN['file']}.jsonl.gz").is_file():
        parser.error(f"{found.data} has no {DOMAIN['file']}.jsonl.gz; --data names the folder of the sets")
    return found


def told(model: str) -> dict[str, Any]:
    """What the page says of how it was made."""
    sizes = {"general": GENERAL, "domain": DOMAIN}
    return {**sizes, "model": model, "base": BASE, "pretrain": PRETRAIN, "revision": code_revision()}


@dataclass(frozen=True)
class Training:
    """One row of the table, with one seed."""

    name: str
    seed: int
    model: str

    def frozen(self, settings: Settings) -> str:
        """Its run."""
        share, changes = WAYS.get(self.name, (0.0, {}))
        replay = {"corpus": "corpus/general.jsonl", "share": share}
        data = {"corpus": "corpus/domain.jsonl", "examples": "tasks/none", "replay": replay}
        base = {"model": {"scratch": self.model}, **BASE}
        values = {**RECIPE, "seed": self.seed, "data": data, "base": base, "pretrain": {**PRETRAIN, **changes}}
        recipe = parse_recipe(values, self.name)
        return frozen_once(recipe, f"seed-{self.seed}", settings)


def result(training: Training, dataset: str, settings: Settings) -> dict[str, list[list[float]]]:
    """Bits and bytes of every held-out text, by kind of text, after one training."""
    inputs = {"dataset": dataset, "validation": sealed("validate", {"validation.json": "{}"}, settings)}
    model = base = make("base", replace(training, name="base").frozen(settings), inputs)
    if training.name != "base":
        model = make("pretrain", training.frozen(settings), {"dataset": dataset, "base": base})
    kept = settings.home / "results" / f"{Path(model).name}.json"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_json(kept, measured(here(model) / "model", here(dataset), settings))
    found: dict[str, list[list[float]]] = read_json(kept)
    return found


def measured(model: Path, dataset: Path, settings: Settings) -> dict[str, Any]:
    from models import threads
    from models.backbone import load_causal
    from models.bits import bits_per_byte

    threads.use(settings.threads)
    pair = load_causal(model)
    return {kind: bits_per_byte(*pair, [row["text"] for row in held_out(dataset, kind)]) for kind in KINDS}


def held_out(dataset: Path, kind: str) -> list[dict[str, Any]]:
    return [row for row in read_rows(dataset / "corpus" / f"{kind}.jsonl") if row["split"] == "heldout"]


def groups_of(dataset: Path) -> dict[str, list[str]]:
    """The document of every held-out text: parts of one document are no independent texts."""
    return {kind: [row["id"].rpartition(".")[0] for row in held_out(dataset, kind)] for kind in KINDS}


def dataset_of(data: Path, settings: Settings) -> str:
    sizes = {"domain": DOMAIN, "general": GENERAL}
    return sealed("dataset", {f"corpus/{kind}.jsonl": lines(texts(data, sizes[kind])) for kind in KINDS}, settings)


def texts(data: Path, sizes: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Parts of documents in the order of their hash; documents that are held out are not learned from."""
    with gzip.open(data / f"{sizes['file']}.jsonl.gz", "rt", encoding="utf-8", newline="\n") as file:
        rows = sorted(map(json.loads, file), key=lambda row: hashlib.sha1(row["id"].encode()).hexdigest())
    left = {split: sizes[split] for split in ("train", "heldout")}
    for number, row in enumerate(rows[: sizes["documents"]]):
        split = "heldout" if number % 5 == 0 else "train"
        for start in range(0, len(row["text"]), PART):
            # A few parts of many documents say more than many parts of a few.
            if left[split] and (split == "train" or start < 4 * PART):
                left[split] -= 1
                part = row["text"][start : start + PART]
                yield {"id": f"{row['id']}.{start}", "text": part, "lang": "zh", "split": split}


if __name__ == "__main__":
    stoppable(main)
