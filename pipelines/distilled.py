"""A student beside its teacher: what each scores, what it costs, and whether the gates let the student out."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.artifact import publish, read_manifest, seal, verify, write_json
from pipelines.comparison import by_chance
from pipelines.distil import require_section
from pipelines.mirror import here
from pipelines.settings import Settings
from pipelines.variants import Original, decided, only_writer, original, require_new, times

TIMED = 100  # texts of the test set that are read one at a time


def distil(recipe: str, changes: dict[str, Any], out: Path | None, settings: Settings) -> dict[str, Any]:
    """Train the student of a recipe's [distil], judge it by the gates, and write it into a folder; what was found.

    Its teacher is what `train` made of the recipe as it is now. Raises Refused for a recipe without [distil] or that
    is not trained, for a folder that exists, and for a student that cannot be.
    """
    run = decided(recipe, changes, "distil", settings)
    require_section(run.recipe)
    require_new(out)
    teacher = original(run, settings)
    target = out or settings.home / "distilled" / recipe
    with only_writer(target, out, settings):
        return written(teacher, target)


def written(teacher: Original, target: Path) -> dict[str, Any]:
    """Train and judge the student of a model, and write it into the folder `target`: aside first, its manifest last."""
    tuned = teacher.inputs["tuned"]
    verify(here(tuned))
    student = teacher.student()
    part = target.with_name(target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(here(student) / "model", part / "model")
    found: dict[str, Any] = {"folder": str(target), "primary": teacher.task.primary}
    found["variants"] = _side_by_side(teacher, {"teacher": tuned, "student": student})
    write_json(part / "variants.json", found["variants"])
    made_from = {"teacher": tuned, "student": student, "report": teacher.report}
    facts = {name: read_manifest(here(uri)).digest for name, uri in made_from.items()}
    seal(part, "distilled", facts | {"lock": teacher.run.lock_sha256}, made_from)
    publish(part, target)
    return found


def _side_by_side(teacher: Original, models: dict[str, str]) -> list[dict[str, Any]]:
    """Each model judged by its answers to the test set, with its size and the time that it takes."""
    drawn = [teacher.task.read(teacher.rows[n]) for n in by_chance(teacher.rows)[:TIMED]]
    found = []
    for name, uri in models.items():
        judged = teacher.judged(teacher.answers(uri))
        found.append({"variant": name} | _cost(here(uri) / "model", drawn, teacher.settings) | judged)
    return found


def _cost(folder: Path, texts: Sequence[tuple[str, ...]], settings: Settings) -> dict[str, Any]:
    """Parameters, bytes of the weights, and the milliseconds of one text at a time."""
    from models import threads
    from models.backbone import load_classifier
    from models.methods import count
    from models.predict import classify

    threads.use(settings.threads)
    model, tokenizer = load_classifier(folder)
    classify(model, tokenizer, texts[:1])  # the first call makes what the others find made
    took = []
    for text in texts:
        start = time.perf_counter()
        classify(model, tokenizer, [text])
        took.append(1000 * (time.perf_counter() - start))
    size = (folder / "model.safetensors").stat().st_size
    return {"parameters": count(model)[1], "bytes": size} | times(took)
