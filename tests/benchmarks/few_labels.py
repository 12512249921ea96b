"""What each way of learning from few labels gains, and what more rows add to it: the table of docs/few-labels.md.

    .venv/bin/python tests/benchmarks/few_labels.py [--only 16] [--ways prompt] [--data ../shared/data] [--home FOLDER]

The ten commonest intents of banking77, all-MiniLM-L6-v2 (extra `demo`). The steps are those of a run (base, finetune,
score) and are reused when nothing changed: a run that was stopped goes on, and rows that are not whole are left out.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import statistics
import sys
from collections import Counter
from collections.abc import Iterator
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
from tests.benchmarks.stepwise import frozen_once, lines, put, sealed, stoppable  # noqa: E402

FILE, SEEDS, INTENTS = "cls_en_banking77_intent", (7, 8, 9), 10
# Rows of each intent that are judged, that validate, and that one may learn from; what is left has its label taken off.
TEST, VALIDATION, MOST = 40, 10, 64
# Labelled rows of each intent, and the epochs and pairs that make about as many steps of them.
SIZES: dict[int, tuple[int, int]] = {16: (4, 2), 8: (8, 4), 64: (1, 1)}
WORDS = {
    "balance_not_updated_after_bank_transfer": "balance",
    "balance_not_updated_after_cheque_or_cash_deposit": "deposit",
    "card_payment_fee_charged": "fee",
    "cash_withdrawal_charge": "withdrawal",
    "declined_cash_withdrawal": "declined",
    "direct_debit_payment_not_recognised": "debit",
    "transaction_charged_twice": "twice",
    "transfer_fee_charged": "transfer",
    "transfer_not_received_by_recipient": "missing",
    "wrong_amount_of_cash_received": "cash",
}
SYNONYMS = """fee\tcharge\tcost
cash machine\tATM\tcashpoint
withdraw\ttake out\tget out
withdrawal\tcash withdrawal
money\tcash\tfunds
payment\ttransaction
transfer\tbank transfer
cheque\tcheck
deposit\tpay in
declined\trejected\trefused
balance\taccount balance
twice\ttwo times
wrong\tincorrect
why\tfor what reason
I don't recognise\tI do not know
app\tapplication
yesterday\tthe day before today
received\tgot
abroad\tin another country
"""
WAYS: dict[str, dict[str, Any]] = {
    "head": {"method": "head", "learning_rate": 3e-2},
    "full": {"frozen_layers": 0, "learning_rate": 5e-4},
    "full, synonyms": {"augment": {"synonyms": "words.tsv"}},
    "full, self-training": {"self_training": {"corpus": 300}},
    "contrastive": {"frozen_layers": 0, "learning_rate": 1e-4, "contrastive": 1},
    "prompt": {
        "frozen_layers": 0,
        "learning_rate": 5e-4,
        "prompt": {"template": "{text} It is about the {mask}.", "words": WORDS},
    },
    "full, masked": {"augment": {"masked": True}},
}
REPLAY = {"corpus": "corpus/general.jsonl"}
ALONE = ("head", "full", "contrastive", "prompt")


def main() -> None:
    args = arguments()
    os.environ["SCRIPTORIUM_HOME"] = str(args.home.resolve())
    settings = read_settings()
    parts = parts_of(args.data)
    for size, seed, way in trainings(args.only, args.ways):
        print(f"== {size} labels, seed {seed}: {way}", flush=True)
        write_json(kept(settings, size, seed, way), result(size, seed, way, parts, settings))
    found = {
        (size, way): [read_json(path) for seed in SEEDS if (path := kept(settings, size, seed, way)).is_file()]
        for size in sorted(SIZES)
        for way in ("TF-IDF", *WAYS)
    }
    put(
        table({key: of_seeds for key, of_seeds in found.items() if len(of_seeds) == len(SEEDS)}),
        args.out,
        "few_labels.py",
    )
    print(args.out)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=int, nargs="*", default=list(SIZES), help="labelled rows of each intent")
    parser.add_argument("--ways", nargs="*", default=("TF-IDF", *WAYS), help="names of rows of the table")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--home", type=Path, default=ROOT / ".scriptorium" / "few-labels")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "few-labels.md")
    found = parser.parse_args()
    if not (found.data / f"{FILE}.jsonl.gz").is_file():
        parser.error(f"{found.data} has no {FILE}.jsonl.gz; --data names the folder of the sets")
    (found.home / "results").mkdir(parents=True, exist_ok=True)
    return found


def trainings(sizes: list[int], ways: list[str]) -> Iterator[tuple[int, int, str]]:
    """Way after way, so that what is measured in part has whole rows."""
    for size in sizes:
        for way in ("TF-IDF", *(WAYS if size == 16 else ALONE)):
            yield from ((size, seed, way) for seed in SEEDS if way in ways)


def kept(settings: Settings, size: int, seed: int, way: str) -> Path:
    return settings.home / "results" / f"{size}-{seed}-{way.replace(', ', '-')}.json"


def parts_of(data: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of the commonest intents by what they are for, in the order of their hash; texts of other intents."""
    with gzip.open(data / f"{FILE}.jsonl.gz", "rt", encoding="utf-8", newline="\n") as file:
        rows = sorted(map(json.loads, file), key=lambda row: hashlib.sha1(row["id"].encode()).hexdigest())
    intents = [label for label, _ in Counter(row["label"] for row in rows).most_common(INTENTS)]
    found: dict[str, list[dict[str, Any]]] = {"test": [], "validation": [], "pool": [], "others": []}
    for intent in intents:
        own = [row for row in rows if row["label"] == intent]
        found["test"] += own[:TEST]
        found["validation"] += own[TEST : TEST + VALIDATION]
        found["pool"] += own[TEST + VALIDATION :]
    found["others"] = [row for row in rows if row["label"] not in intents][:2_000]
    return found


def chosen(pool: list[dict[str, Any]], size: int, seed: int) -> list[dict[str, Any]]:
    """So many rows of each label, others with each seed; a smaller choice is within a larger one."""
    found, counts = [], Counter[str]()
    for row in sorted(pool, key=lambda row: hashlib.sha1(f"{seed}/{row['id']}".encode()).hexdigest()):
        counts[row["label"]] += 1
        found += [row] if counts[row["label"]] <= size else []
    return found


def result(
    size: int, seed: int, way: str, parts: dict[str, list[dict[str, Any]]], settings: Settings
) -> dict[str, Any]:
    """Accuracy on the test rows after one training, and what its rows were."""
    from models.baselines import tfidf

    train = chosen(parts["pool"], size, seed)
    if way == "TF-IDF":
        return {"accuracy": accuracy(tfidf(train, parts["test"]))}
    ids = {row["id"] for row in train}
    dataset = dataset_of(parts, train, [row for row in parts["pool"] if row["id"] not in ids], settings)
    run = frozen(size, seed, way, settings)
    tuned = make("finetune", run, {"dataset": dataset, "model": base_of(parts, settings)})
    scored = make("score", run, {"dataset": dataset, "model": tuned})
    taught = read_json(here(tuned) / "metrics.json").get("self_training", [])
    rows = read_rows(here(tuned) / "pseudo_labelled.jsonl") if taught else []
    true = {row["text"]: row["label"] for row in parts["pool"]}
    return {
        "accuracy": accuracy(read_rows(here(scored) / "predictions.jsonl")),
        "seconds": read_json(here(tuned) / "timings.json")["training_seconds"],
        "self_training": taught,
        "right": [sum(true[row["text"]] == row["label"] for row in rows), len(rows)],
        "revision": code_revision(),
    }


def accuracy(predictions: list[dict[str, Any]]) -> float:
    return statistics.mean(float(row["prediction"] == row["label"]) for row in predictions)


def frozen(size: int, seed: int, way: str, settings: Settings) -> str:
    """The run of a training."""
    epochs, pairs = SIZES[size]
    changes = {**(WAYS["full"] if way.startswith("full") else {}), **WAYS.get(way, {})}
    if "contrastive" in changes:
        changes, epochs = {**changes, "contrastive": pairs}, 1
    values = {
        "name": "few_labels",
        "description": way,
        "task": "classification",
        "seed": seed,
        "data": {"corpus": "corpus/domain.jsonl", "examples": "tasks/set", "replay": REPLAY},
        "base": {"model": "hf://sentence-transformers/all-MiniLM-L6-v2", "tokens": 40_000},
        "pretrain": {"objective": "masked", "tokens": 0},
        "finetune": {"epochs": epochs, "batch_size": 8, "max_length": 32, **changes},
        "review": {"reviewers": ["reviewer"]},
    }
    recipe = parse_recipe(values, way)
    return frozen_once(recipe, f"{size}-{seed}", settings)


def base_of(parts: dict[str, list[dict[str, Any]]], settings: Settings) -> str:
    """MiniLM with a head for masked words, fitted on texts of other intents: what the ways start from, made once."""
    made = {"dataset": dataset_of(parts, [], parts["others"], settings)}
    made["validation"] = sealed("validate", {"validation.json": "{}"}, settings)
    return make("base", frozen(16, SEEDS[0], "head", settings), made)


def dataset_of(
    parts: dict[str, list[dict[str, Any]]], train: list[dict[str, Any]], texts: list[dict[str, Any]], settings: Settings
) -> str:
    unlabelled = [{"id": row["id"], "text": row["text"], "lang": "en"} for row in texts]
    corpus = lines([row | {"split": "heldout" if n < 20 else "train"} for n, row in enumerate(unlabelled)])
    splits = {"train": train, "validation": parts["validation"], "test": parts["test"]}
    files = {f"tasks/set/{split}.jsonl": lines(rows) for split, rows in splits.items()}
    corpora = {f"corpus/{name}.jsonl": corpus for name in ("domain", "general")}
    return sealed("dataset", {**files, **corpora, "words.tsv": SYNONYMS}, settings)


def table(found: dict[tuple[int, str], list[dict[str, Any]]]) -> str:
    """A row for each way: the mean over seeds, and from the least to the greatest."""
    sizes = [size for size in sorted(SIZES) if any(key[0] == size for key in found)]
    rows = [f"| | {' | '.join(f'{size} labels each' for size in sizes)} |", "|---" * (len(sizes) + 1) + "|"]
    for way in ("TF-IDF", *WAYS):
        cells = [cell(found[size, way]) if (size, way) in found else "" for size in sizes]
        rows += [f"| {way} | {' | '.join(cells)} |"] if any(cells) else []
    return "\n".join(rows)


def cell(of_seeds: list[dict[str, Any]]) -> str:
    values = [one["accuracy"] for one in of_seeds]
    return f"{statistics.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


if __name__ == "__main__":
    stoppable(main)
