"""A student beside its teacher: what each scores, what it costs, and whether the gates let the student out."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from pipelines.artifact import publish, read_manifest, seal, verify, write_json
from pipelines.mirror import here
from pipelines.settings import Settings
from pipelines.student import require_section
from pipelines.variants import Original, decided, only_writer, original, require_new


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
    tuned = teacher.teacher
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
    return [
        {"variant": name} | _cost(teacher, here(uri) / "model") | teacher.judged(teacher.asked(uri))
        for name, uri in models.items()
    ]


def _cost(teacher: Original, folder: Path) -> dict[str, Any]:
    """Parameters, bytes of the weights, and the milliseconds of one text at a time."""
    from models import threads
    from models.methods import count

    threads.use(teacher.settings.threads)
    sizes = {"parameters": count(teacher.load(folder)[0])[1], "bytes": (folder / "model.safetensors").stat().st_size}
    return sizes | teacher.times(folder)
