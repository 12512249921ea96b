"""What a text costs as ONNX graphs, beside the torch model that they were made from: docs/smaller-models.md.

    .venv/bin/python tests/benchmarks/graphs.py [--only labels texts] [--data ../shared/data] [--home FOLDER]

The models are the teachers of students.py, and are reused when nothing changed. Processor time of one thread, texts one
at a time, torch and graphs by turns.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from pipelines.mirror import here  # noqa: E402
from pipelines.settings import Settings, read_settings  # noqa: E402
from tests.benchmarks.side_by_side import ALONE  # noqa: E402
from tests.benchmarks.stepwise import put, stoppable  # noqa: E402
from tests.benchmarks.students import LABELS, TEXTS, arguments, taught  # noqa: E402
from tests.benchmarks.task_rows import splits_of  # noqa: E402
from tests.benchmarks.task_sets import Set  # noqa: E402

TIMED = {"classification": 100, "summarisation": 20}


def main() -> None:
    args = arguments(("labels", "texts"), __doc__)
    os.environ.update(ALONE | {"SCRIPTORIUM_HOME": str(args.home.resolve())})
    settings = read_settings()
    rows = ["| model | as | MB | ms a text | of torch | same answers |", "|---" * 6 + "|"]
    for kind in args.only:
        one = {"labels": LABELS, "texts": TEXTS}[kind]
        rows += measured(one, args.data, settings)
    put("\n".join(rows), args.out, "graphs.py")
    print("\n".join(rows), args.out, sep="\n")


def measured(one: Set, data: Path, settings: Settings) -> list[str]:
    """A row for torch, for the graphs in fp32 and for those in int8."""
    from models import threads
    from models.exported import load_exported
    from models.serving import load

    threads.use(settings.threads)
    folder = here(taught(one, data, settings)[1]) / "model"
    places = {"torch": folder} | graphs(one, folder, settings.home / "graphs" / one.file)
    answer = {name: load(place, one.task, None if name == "torch" else load_exported) for name, place in places.items()}
    took: dict[str, list[float]] = {name: [] for name in places}
    said: dict[str, list[str]] = {name: [] for name in places}
    asked = splits_of(one, data)["test"][: TIMED[one.task]]
    for number, row in enumerate([asked[0], *asked]):
        for name in places:
            began = time.process_time()
            told = answer[name]([row])[0]["prediction"]
            if number:  # the first call makes what the others find made
                took[name].append(1000 * (time.process_time() - began))
                said[name].append(told)
    first = statistics.median(took["torch"])
    rows = []
    for name, place in places.items():
        size = sum(file.stat().st_size for kind in ("*.safetensors", "*.onnx") for file in place.glob(kind)) / 1e6
        same = statistics.mean(float(a == b) for a, b in zip(said[name], said["torch"], strict=True))
        ms = statistics.median(took[name])
        cells = [f"`{one.file}`, {one.backbone}", name, f"{size:.1f}", f"{ms:.1f}", f"{ms / first:.2f}", f"{same:.0%}"]
        rows.append("| " + " | ".join(cells) + " |")
    return rows


def graphs(one: Set, folder: Path, target: Path) -> dict[str, Path]:
    """The folders of graphs, made once."""
    from models import onnx

    whole, small = target / "fp32", target / "int8"
    if not small.exists():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(folder, whole, ignore=shutil.ignore_patterns("*.safetensors"))
        onnx.export(*loaded(one, folder), whole)
        onnx.quantise(whole, small)
    return {"ONNX fp32": whole, "ONNX int8": small}


def loaded(one: Set, folder: Path) -> tuple[Any, Any]:
    from models import backbone, writers

    return (writers.load_writer if one is TEXTS else backbone.load_classifier)(folder)


if __name__ == "__main__":
    stoppable(main)
