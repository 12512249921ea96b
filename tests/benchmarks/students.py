"""What a teacher adds to the labels of a small model: a table of docs/smaller-models.md.

    .venv/bin/python tests/benchmarks/students.py [--only labels texts] [--data ../shared/data] [--home FOLDER]

The steps are those of a run (base, finetune, distil, score) and are reused when nothing changed: a run that was stopped
goes on, and ways that are not whole are left out. One thread.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from models.tasks import TASKS  # noqa: E402
from pipelines.artifact import read_json, write_json  # noqa: E402
from pipelines.comparison import Comparison  # noqa: E402
from pipelines.mirror import here  # noqa: E402
from pipelines.rows import read_rows  # noqa: E402
from pipelines.run import code_revision  # noqa: E402
from pipelines.settings import Settings, read_settings  # noqa: E402
from pipelines.steps import make  # noqa: E402
from tests.benchmarks.side_by_side import ALONE  # noqa: E402
from tests.benchmarks.stepwise import lines, put, sealed, stoppable  # noqa: E402
from tests.benchmarks.task_rows import splits_of  # noqa: E402
from tests.benchmarks.task_sets import BACKBONES, FEW, SETS, Set  # noqa: E402
from tests.benchmarks.tasks import backbone, corpus_rows, frozen  # noqa: E402

SEEDS = (7, 8, 9)
LABELLED, UNLABELLED = 600, 3_000
LABELS = Set("cls_en_finphrasebank", "classification", "MiniLM", {"learning_rate": 3e-4, **FEW}, most=LABELLED)
TEXTS = next(one for one in SETS if one.file == "sum_zh_finance_headline")
# Twenty epochs of the labelled rows are about as many steps as four of these with five times as many texts beside them.
LONG, SHORT = {"epochs": 20, "learning_rate": 1e-3}, {"epochs": 4, "learning_rate": 1e-3}
WAYS: dict[str, tuple[Set, dict[str, Any]]] = {
    "labels": (LABELS, {"weight": 0.001, **LONG}),
    "labels and teacher": (LABELS, {"weight": 0.5, **LONG}),
    "teacher": (LABELS, {"weight": 1.0, **LONG}),
    "labels and teacher, 3,000 texts": (LABELS, {"weight": 0.5, "corpus": UNLABELLED, **SHORT}),
    "references": (TEXTS, {"weight": 0.001, "epochs": 10, "learning_rate": 1e-3}),
    "references and teacher": (TEXTS, {"weight": 0.5, "epochs": 10, "learning_rate": 1e-3}),
    "teacher's texts": (TEXTS, {"weight": 1.0, "epochs": 10, "learning_rate": 1e-3}),
}
STUDENTS = {"classification": "micro-encoder", "summarisation": "micro-decoder"}
# What is shown of a task: the metric that decides, and what an average hides of it.
SHOWN = {"classification": ("accuracy", "f1"), "summarisation": ("rouge_l", "bits_per_byte")}


def main() -> None:
    args = arguments(("labels", "texts"), __doc__)
    os.environ.update(ALONE | {"SCRIPTORIUM_HOME": str(args.home.resolve())})
    settings = read_settings()
    results = settings.home / "results-of-students"
    results.mkdir(parents=True, exist_ok=True)
    for kind in args.only:
        for name, result in students({"labels": LABELS, "texts": TEXTS}[kind], args.data, settings):
            print(f"== {name}: {result}", flush=True)
            write_json(results / f"{name}.json", result)
    put(table({path.stem: read_json(path) for path in results.glob("*.json")}), args.out, "students.py")
    print(args.out)


def arguments(choices: tuple[str, ...], about: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", nargs="*", default=choices, choices=choices, help="what answers with labels, or texts"
    )
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--home", type=Path, default=ROOT / ".scriptorium" / "students")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "smaller-models.md")
    found = parser.parse_args()
    if not (found.data / "splits.py").is_file():
        parser.error(f"{found.data} has no splits.py; --data names the folder of the sets")
    return found


def students(one: Set, data: Path, settings: Settings) -> Iterator[tuple[str, dict[str, Any]]]:
    """The teacher of a set, and seed after seed its students of every way."""
    dataset = dataset_of(one, data, settings)
    run, model = taught(one, data, settings)
    yield f"{one.task}.original", judged(one, run, dataset, model, settings)
    for seed in SEEDS:
        for way, (of_set, distil) in WAYS.items():
            if of_set is one:
                section = {"student": {"scratch": STUDENTS[one.task]}, **distil}
                student = frozen(f"{one.file}-{seed}", one, settings, seed=seed, distil=section)
                learned = make("distil", student, {"dataset": dataset, "teacher": model})
                yield f"{one.task}.{way}.{seed}", judged(one, student, dataset, learned, settings)


def taught(one: Set, data: Path, settings: Settings) -> tuple[str, str]:
    """The run and the model of a teacher."""
    run = frozen(one.name, one, settings)
    base = backbone(one, data, settings)
    return run, make("finetune", run, {"dataset": dataset_of(one, data, settings), "model": base})


def judged(one: Set, run: str, dataset: str, model: str, settings: Settings) -> dict[str, Any]:
    """What a model of a set scores, and its parameters."""
    scored = here(make("score", run, {"dataset": dataset, "model": model}))
    found = Comparison(TASKS[one.task], read_rows(here(dataset) / "tasks" / "set" / "test.jsonl"), 7)
    numbers = found.intervals(read_rows(scored / "predictions.jsonl"))
    return {name: numbers[name]["value"] for name in SHOWN[one.task]} | {
        "parameters": parameters(here(model) / "model"),
        "revision": code_revision(),
    }


def parameters(folder: Path) -> int:
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", "pt") as file:
        return sum(file.get_tensor(name).numel() for name in file.keys())  # noqa: SIM118 - it is no dict


def dataset_of(one: Set, data: Path, settings: Settings) -> str:
    """The rows of a set; what it does not learn from, without labels; some general text, for a tokenizer."""
    parts = splits_of(one, data)
    files = {f"tasks/set/{split}.jsonl": lines(rows) for split, rows in parts.items()}
    every = splits_of(Set(one.file, one.task, one.backbone, most=UNLABELLED + LABELLED), data)["train"]
    rest = every[one.most :] if one is LABELS else every
    texts = [{"id": f"un.{row['id']}", "text": row.get("text") or row["document"], "lang": row["lang"]} for row in rest]
    files["corpus/domain.jsonl"] = lines([row | {"split": "train"} for row in texts])
    files["corpus/general.jsonl"] = lines(islice(corpus_rows(data, BACKBONES[one.backbone][1]), 2_000))
    return sealed("dataset", files, settings)


def table(found: Mapping[str, dict[str, Any]]) -> str:
    """A row for each way that all seeds have: the mean over them, and from the least to the greatest."""
    rows = ["| what it learned from | parameters | accuracy or ROUGE-L | macro F1 or bits per byte |", "|---" * 4 + "|"]
    for one in (LABELS, TEXTS):
        if teacher := found.get(f"{one.task}.original"):
            rows.append(told(f"`{one.file}`: **the teacher**", one, [teacher]))
        for way in (name for name, (of_set, _) in WAYS.items() if of_set is one):
            names = [f"{one.task}.{way}.{seed}" for seed in SEEDS]
            rows += [told(way, one, [found[name] for name in names])] if set(names) <= set(found) else []
    return "\n".join(rows)


def told(name: str, one: Set, of_seeds: list[dict[str, Any]]) -> str:
    cells = [name, f"{of_seeds[0]['parameters']:,}"]
    for metric in SHOWN[one.task]:
        values = [result[metric] for result in of_seeds]
        spread = f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else ""
        cells.append(f"{statistics.mean(values):.3f}{spread}")
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    stoppable(main)
