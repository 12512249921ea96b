"""What benchmarks that run steps have in common: runs that are frozen once for each state, artifacts, and stops."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models.stop import Stopped
from pipelines.artifact import seal
from pipelines.artifact_root import uri_of
from pipelines.recipe import Recipe
from pipelines.run import code_revision, freeze, new_run
from pipelines.settings import Settings


def frozen_once(recipe: Recipe, name: str, settings: Settings) -> str:
    """The URI of the run of a recipe, frozen once for each state of the recipe and of the code."""
    state = hashlib.sha256((recipe.model_dump_json() + code_revision()).encode()).hexdigest()[:12]
    return freeze(new_run(recipe, f"{name}.{state}", "0" * 32 + ".dir", "benchmark"), settings)


def lines(rows: Any) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def sealed(step: str, files: dict[str, str], settings: Settings) -> str:
    """Files as an artifact of a step, named by their content."""
    key = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    target = Path(settings.artifacts) / step / key
    if not target.exists():
        part = settings.work / "sets" / f"{key}.{os.getpid()}"
        shutil.rmtree(part, ignore_errors=True)
        for name, text in files.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            (part / name).write_text(text, encoding="utf-8")
        seal(part, step, {"content": key}, {})
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.rename(target)
        except OSError:
            # Another process that needs the same files was first.
            if not target.exists():
                raise
            shutil.rmtree(part)
    return uri_of(target, settings)


def put(table: str, page: Path, script: str) -> None:
    """Put a table where a script's last one stands. Raises ValueError for a page without a place for it."""
    begin, end = f"<!-- {script} -->\n", "<!-- end -->"
    before, begins, rest = page.read_text(encoding="utf-8").partition(begin)
    _, ends, after = rest.partition(end)
    if not (begins and ends):
        raise ValueError(f"{page} has no {begin.strip()} with {end} behind it, where the table stands")
    page.write_text(f"{before}{begin}{table}\n{end}{after}", encoding="utf-8")


def stoppable(main: Callable[[], None]) -> None:
    """Run a benchmark; one that is stopped says so and ends with 75, for the same command goes on."""
    try:
        main()
    except Stopped as stopped:
        print(f"stopped: {stopped}; the same command goes on from there", file=sys.stderr)
        sys.exit(75)
