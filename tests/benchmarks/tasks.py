"""Every task on real sets, beside its trivial baselines; methods of fine-tuning beside one another: docs/tasks.md.

    make evaluate-tasks
    .venv/bin/python tests/benchmarks/tasks.py [--only cls_zh,mt_] [--processes 2] [--data FOLDER] [--home FOLDER]

As many rows at a time as there are cores, on a thread each; HOME/logs has what each printed. The steps are those of a
run (base, finetune, baselines, score) and are reused when nothing changed: a run that was stopped goes on. Numbers of
each row stay in HOME/results; the tables are drawn from all of them.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from models.metrics import HIGHER_IS_BETTER  # noqa: E402
from models.tasks import TASKS  # noqa: E402
from pipelines.artifact import read_json, write_json  # noqa: E402
from pipelines.comparison import Comparison, clearly  # noqa: E402
from pipelines.mirror import here  # noqa: E402
from pipelines.recipe_file import parse_recipe  # noqa: E402
from pipelines.rows import read_rows  # noqa: E402
from pipelines.run import code_revision  # noqa: E402
from pipelines.settings import Settings, read_settings  # noqa: E402
from pipelines.steps import make  # noqa: E402
from tests.benchmarks.side_by_side import done, printed_to  # noqa: E402
from tests.benchmarks.stepwise import frozen_once, lines, sealed, stoppable  # noqa: E402
from tests.benchmarks.task_rows import SPLITS, splits_of  # noqa: E402
from tests.benchmarks.task_sets import BACKBONES, COMPARED, SETS, Set  # noqa: E402
from tests.benchmarks.task_tables import page  # noqa: E402

# What stands behind it on the page was written by a person, and stays.
BY_HAND = "\n<!-- by hand -->\n"
# A document is learned from in parts: a statute has a hundred times the characters of a review.
PART = 1_000
DATA = {"corpus": "corpus/domain.jsonl", "examples": "tasks/set", "replay": {"corpus": "corpus/general.jsonl"}}


def main() -> None:
    args = arguments()
    os.environ["SCRIPTORIUM_HOME"] = str(args.home.resolve())
    settings = read_settings()
    wanted = [s for s in (*SETS, *COMPARED) if any(s.name.startswith(part) for part in args.only.split(","))]
    started = time.monotonic()
    first = {one.backbone: one for one in reversed(wanted)}
    print(f"backbones: {', '.join(first)}; {args.processes} at a time, logs in {settings.home / 'logs'}", flush=True)
    make_base = partial(backbone, data=args.data, settings=settings)
    bases = {one.backbone: uri for one, uri in done(make_base, first.values(), args.processes)}
    judge = partial(evaluated, bases=bases, data=args.data, settings=settings)
    began = time.monotonic()
    for number, (one, result) in enumerate(done(judge, wanted, args.processes), start=1):
        write_json(settings.home / "results" / f"{one.name}.json", result)
        left = (time.monotonic() - began) / number * (len(wanted) - number) / 60
        print(f"{number} of {len(wanted)}: {one.name} ({one.task}, {one.backbone}), about {left:.0f} min left")
        print(json.dumps(result, ensure_ascii=False), flush=True)
    found = {p.stem: read_json(p) for p in sorted((settings.home / "results").glob("*.json"))}
    _, mark, remarks = args.out.read_text(encoding="utf-8").partition(BY_HAND) if args.out.exists() else ("", "", "")
    args.out.write_text(page(found, len(SETS) + len(COMPARED)) + (mark or BY_HAND) + remarks, encoding="utf-8")
    print(f"{len(wanted)} of {len(SETS) + len(COMPARED)} rows in {time.monotonic() - started:.0f} s; {args.out}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="beginnings of names of rows, with commas between them")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--home", type=Path, default=ROOT / ".scriptorium" / "tasks")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="rows at a time, a thread each")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "tasks.md")
    found = parser.parse_args()
    if not (found.data / "splits.py").is_file():
        parser.error(f"{found.data} has no splits.py; --data names the folder of the sets")
    (found.home / "results").mkdir(parents=True, exist_ok=True)
    return found


def evaluated(one: Set, bases: Mapping[str, str], data: Path, settings: Settings) -> dict[str, Any]:
    """Train and judge one row of the table."""
    with printed_to(settings.home / "logs" / f"{one.name}.log"):
        return _evaluated(one, bases[one.backbone], data, settings)


def _evaluated(one: Set, base: str, data: Path, settings: Settings) -> dict[str, Any]:
    task, began = TASKS[one.task], (time.monotonic(), time.process_time())
    run = frozen(one.name, one, settings)
    inputs = {"dataset": dataset(one, data, settings)}
    tuned = make("finetune", run, inputs | {"model": base})
    rows = read_rows(here(inputs["dataset"]) / "tasks" / "set" / "test.jsonl")
    comparison = Comparison(task, rows, 7)
    ours = read_rows(here(make("score", run, inputs | {"model": tuned})) / "predictions.jsonl")
    rivals = here(make("baselines", run, inputs | {"base": base}))
    names = read_json(rivals / "metrics.json")
    against = {n: comparison.opponent(ours, read_rows(rivals / f"predictions_{n}.jsonl")) for n in names}
    return {
        "file": one.name if one.looked_up else one.file,  # as the table shows it
        **{key: getattr(one, key) for key in ("task", "backbone", "finetune", "method")},
        "primary": task.primary,
        "rows": {split: len(read_rows(here(inputs["dataset"]) / "tasks/set" / f"{split}.jsonl")) for split in SPLITS},
        "ours": comparison.intervals(ours),
        "baseline": strongest(against, task.primary),
        "training_seconds": read_json(here(tuned) / "timings.json")["training_seconds"],
        "learns": read_json(here(tuned) / "metrics.json").get("learns"),
        "seconds": round(time.monotonic() - began[0], 1),
        "processor_seconds": round(time.process_time() - began[1], 1),
        "revision": code_revision(),
    }


def strongest(against: dict[str, Any], primary: str) -> dict[str, Any]:
    """The baseline that has the metric and is best on it, and which way the difference to it points."""
    sign = 1 if HIGHER_IS_BETTER[primary] else -1
    able = {name: found for name, found in against.items() if found["difference"]}
    name = max(able, key=lambda n: sign * able[n]["interval"]["value"])
    gap = able[name]["difference"]
    return {"name": name, **able[name]["interval"], "difference": gap, "verdict": clearly(gap, primary)}


def frozen(name: str, one: Set, settings: Settings, suffix: str = "", **more: Any) -> str:
    """The run of a row, whose name says what it is, frozen once for each state of the recipe; it may say `more`."""
    base, _ = BACKBONES[one.backbone]
    values = {
        "name": "evaluated_task",
        "description": name,
        "task": one.task,
        "data": DATA,
        "base": base,
        "pretrain": {"objective": one.objective, "tokens": 0},
        "finetune": one.finetune,
        "review": {"reviewers": ["reviewer"]},
        **more,
    }
    recipe = parse_recipe(values, name)
    return frozen_once(recipe, f"{name.replace(' ', '-')}{suffix}", settings)


def dataset(one: Set, data: Path, settings: Settings) -> str:
    """The dataset of a set alone, cut to its sizes, as an artifact."""
    parts = splits_of(one, data)
    return sealed("dataset", {f"tasks/set/{split}.jsonl": lines(rows) for split, rows in parts.items()}, settings)


def backbone(one: Set, data: Path, settings: Settings) -> str:
    """The base model that all sets of a backbone start from, made once, with the corpora of its language."""
    _, corpora = BACKBONES[one.backbone]
    rows = lines(corpus_rows(data, corpora))
    made = {"dataset": sealed("dataset", {f"corpus/{name}.jsonl": rows for name in ("domain", "general")}, settings)}
    # The sets were proved when they were collected, see their README; here they are taken as they are.
    made["validation"] = sealed("validate", {"validation.json": "{}"}, settings)
    with printed_to(settings.home / "logs" / f"{one.backbone}.log"):
        return make("base", frozen(one.backbone, Set("", one.task, one.backbone), settings, ".base"), made)


def corpus_rows(data: Path, corpora: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """The texts of corpora in parts; every twentieth text is held out."""
    for name in corpora:
        with gzip.open(data / f"{name}.jsonl.gz", "rt", encoding="utf-8", newline="\n") as file:
            for row in map(json.loads, file):
                split = "heldout" if int(hashlib.sha1(row["id"].encode()).hexdigest(), 16) % 20 == 0 else "train"
                for start in range(0, len(row["text"]), PART):
                    text = row["text"][start : start + PART]
                    yield {"id": f"{row['id']}.{start}", "text": text, "lang": row["lang"], "split": split}


if __name__ == "__main__":
    stoppable(main)
