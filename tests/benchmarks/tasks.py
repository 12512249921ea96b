"""Every task on real sets, beside its trivial baselines; methods of fine-tuning beside one another: docs/tasks.md.

    make evaluate-tasks
    .venv/bin/python tests/benchmarks/tasks.py [--only cls_zh,mt_] [--data ../shared/data] [--home .scriptorium/tasks]

The steps are those of a run (base, finetune, baselines, score) and are reused when nothing changed: a run that was
stopped goes on. Numbers of each row stay in HOME/results; the tables are drawn from all of them.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import runpy
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from models.metrics import HIGHER_IS_BETTER  # noqa: E402
from models.stop import Stopped  # noqa: E402
from models.tasks import TASKS  # noqa: E402
from pipelines.artifact import publish, read_json, seal, write_json  # noqa: E402
from pipelines.artifact_root import uri_of  # noqa: E402
from pipelines.comparison import Comparison, clearly  # noqa: E402
from pipelines.mirror import here  # noqa: E402
from pipelines.recipe_file import parse_recipe  # noqa: E402
from pipelines.rows import read_rows  # noqa: E402
from pipelines.run import code_revision, freeze, new_run  # noqa: E402
from pipelines.settings import Settings, read_settings  # noqa: E402
from pipelines.steps import make  # noqa: E402
from tests.benchmarks.task_sets import BACKBONES, COMPARED, SETS, Set  # noqa: E402
from tests.benchmarks.task_tables import page  # noqa: E402

SPLITS = ("train", "validation", "test")
# A document is learned from in parts: a statute has a hundred times the characters of a review.
PART = 1_000
DATA = {"corpus": "corpus/domain.jsonl", "examples": "tasks/set", "replay": {"corpus": "corpus/general.jsonl"}}


def main() -> None:
    args = arguments()
    os.environ["SCRIPTORIUM_HOME"] = str(args.home.resolve())
    settings = read_settings()
    wanted = [s for s in (*SETS, *COMPARED) if any(s.name.startswith(part) for part in args.only.split(","))]
    started = time.monotonic()
    for number, one in enumerate(wanted):
        spent = time.monotonic() - started
        left = f", about {spent / number * (len(wanted) - number) / 60:.0f} min left" if number else ""
        print(f"== {number + 1} of {len(wanted)}: {one.name} ({one.task}, {one.backbone}){left}", flush=True)
        result = evaluated(one, args.data, settings)
        write_json(settings.home / "results" / f"{one.name}.json", result)
        print(json.dumps(result, ensure_ascii=False), flush=True)
    found = {p.stem: read_json(p) for p in sorted((settings.home / "results").glob("*.json"))}
    args.out.write_text(page(found, len(SETS) + len(COMPARED)), encoding="utf-8")
    print(f"{len(wanted)} of {len(SETS) + len(COMPARED)} rows in {time.monotonic() - started:.0f} s; {args.out}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="beginnings of names of rows, with commas between them")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--home", type=Path, default=ROOT / ".scriptorium" / "tasks")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "tasks.md")
    found = parser.parse_args()
    if not (found.data / "splits.py").is_file():
        parser.error(f"{found.data} has no splits.py; --data names the folder of the sets")
    (found.home / "results").mkdir(parents=True, exist_ok=True)
    return found


def evaluated(one: Set, data: Path, settings: Settings) -> dict[str, Any]:
    """Train and judge one row of the table."""
    task, began = TASKS[one.task], time.monotonic()
    run = frozen(one.name, one, settings)
    inputs = {"dataset": dataset(one, data, run, settings)}
    base = backbone(one, data, settings)
    tuned = make("finetune", run, inputs | {"model": base})
    rows = read_rows(here(inputs["dataset"]) / "tasks" / "set" / "test.jsonl")
    comparison = Comparison(task, rows, 7)
    ours = read_rows(here(make("score", run, inputs | {"model": tuned})) / "predictions.jsonl")
    rivals = here(make("baselines", run, inputs | {"base": base}))
    names = read_json(rivals / "metrics.json")
    against = {n: comparison.opponent(ours, read_rows(rivals / f"predictions_{n}.jsonl")) for n in names}
    return {
        **{key: getattr(one, key) for key in ("file", "task", "backbone", "finetune")},
        "primary": task.primary,
        "rows": {split: len(read_rows(here(inputs["dataset"]) / "tasks/set" / f"{split}.jsonl")) for split in SPLITS},
        "ours": comparison.intervals(ours),
        "baseline": strongest(against, task.primary),
        "training_seconds": read_json(here(tuned) / "timings.json")["training_seconds"],
        "learns": read_json(here(tuned) / "metrics.json").get("learns"),
        "seconds": round(time.monotonic() - began, 1),
        "revision": code_revision(),
    }


def strongest(against: dict[str, Any], primary: str) -> dict[str, Any]:
    """The baseline that has the metric and is best on it, and which way the difference to it points."""
    sign = 1 if HIGHER_IS_BETTER[primary] else -1
    able = {name: found for name, found in against.items() if found["difference"]}
    name = max(able, key=lambda n: sign * able[n]["interval"]["value"])
    gap = able[name]["difference"]
    return {"name": name, **able[name]["interval"], "difference": gap, "verdict": clearly(gap, primary)}


def frozen(name: str, one: Set, settings: Settings, suffix: str = "") -> str:
    """The run of a row: its name says what it is, and so is frozen once for each state of the recipe."""
    base, _ = BACKBONES[one.backbone]
    values = {
        "name": "evaluated_task",
        "description": name,
        "task": one.task,
        "data": DATA,
        "base": base,
        "pretrain": {"objective": TASKS[one.task].objective, "tokens": 0},
        "finetune": one.finetune,
        "review": {"reviewers": ["reviewer"]},
    }
    recipe = parse_recipe(values, name)
    state = hashlib.sha256((recipe.model_dump_json() + code_revision()).encode()).hexdigest()[:12]
    run_id = f"{name.replace(' ', '-')}{suffix}.{state}"
    return freeze(new_run(recipe, run_id, "0" * 32 + ".dir", "benchmark"), settings)


def dataset(one: Set, data: Path, run: str, settings: Settings) -> str:
    """The dataset of a set alone, cut to its sizes, as an artifact."""
    module = runpy.run_path(str(data / "splits.py"))
    rows = module["load"](data / f"{one.file}.jsonl.gz")
    parts = module["split"](list(map(attributes, rows)) if one.task == "multi_label" else rows)
    most = (one.most, one.test, one.test)
    files = {f"tasks/set/{s}.jsonl": lines(rows[:n]) for s, rows, n in zip(SPLITS, parts, most, strict=True)}
    return sealed("dataset", files, settings)


def attributes(row: dict[str, Any]) -> dict[str, Any]:
    """An advertisement's text, and as its labels the style and the patterns of what it is for."""
    named = dict.fromkeys(part for part in row["prompt"].split("*") if part.startswith(("风格#", "图案#")))
    return {"id": row["id"], "text": row["completion"], "labels": list(named), "lang": row["lang"]}


def backbone(one: Set, data: Path, settings: Settings) -> str:
    """The base model that all sets of a backbone start from, made once, with the corpora of its language."""
    _, corpora = BACKBONES[one.backbone]
    rows = lines(corpus_rows(data, corpora))
    made = {"dataset": sealed("dataset", {f"corpus/{name}.jsonl": rows for name in ("domain", "general")}, settings)}
    # The sets were proved when they were collected, see their README; here they are taken as they are.
    made["validation"] = sealed("validate", {"validation.json": "{}"}, settings)
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


def lines(rows: Any) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def sealed(step: str, files: dict[str, str], settings: Settings) -> str:
    """Files as an artifact of a step, named by their content."""
    key = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    target = Path(settings.artifacts) / step / key
    if not target.exists():
        part = settings.work / "sets" / key
        shutil.rmtree(part, ignore_errors=True)
        for name, text in files.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            (part / name).write_text(text, encoding="utf-8")
        seal(part, step, {"content": key}, {})
        publish(part, target)
    return uri_of(target, settings)


if __name__ == "__main__":
    try:
        main()
    except Stopped as stopped:
        print(f"stopped: {stopped}; the same command goes on from there", file=sys.stderr)
        sys.exit(75)
