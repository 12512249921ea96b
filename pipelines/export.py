"""A trained classifier as ONNX files, each judged by the recipe's gates before anybody may serve it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from models.tasks import TASKS
from pipelines.artifact import publish, read_manifest, seal, verify, write_json
from pipelines.distil import require_section
from pipelines.errors import Refused
from pipelines.loop_progress import progress
from pipelines.mirror import here
from pipelines.settings import Settings
from pipelines.variants import Original, decided, only_writer, original, prediction, require_new, times

FILES = {"onnx": "model.onnx", "onnx int8": "model.int8.onnx"}


def export(
    recipe: str, changes: dict[str, Any], out: Path | None, settings: Settings, *, student: bool = False
) -> dict[str, Any]:
    """Write the model that `train` made of a recipe as ONNX files, and judge each by the gates; returns what was found.

    With `student`, its student is written, which learns first unless it has. Raises Refused for a task without a
    single text and a label, for a recipe that is not trained yet, and for a folder that exists.
    """
    run = decided(recipe, changes, "export", settings)
    task = TASKS[run.recipe.task]
    if task.texts != ("text",) or task.answer != "label":
        raise Refused(f"{recipe}: only a model that labels single texts becomes ONNX files, not one for {task.name}")
    if student:
        require_section(run.recipe)
    elif run.recipe.pretrain.objective == "causal":
        raise Refused(f"{recipe}: only an encoder becomes ONNX files, not a decoder that is asked for words")
    require_new(out)
    model = original(run, settings)
    name = f"{recipe}-student" if student else recipe
    target = out or settings.home / "exports" / name
    with only_writer(target, out, settings):
        return written(model, model.student() if student else model.inputs["tuned"], target)


def written(model: Original, chosen: str, target: Path) -> dict[str, Any]:
    """Write the chosen artifact, a model or its student, into the folder `target`: aside first, its manifest last."""
    verify(here(chosen))
    part = target.with_name(target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    found: dict[str, Any] = {"folder": str(target), "primary": model.task.primary}
    found["variants"] = _variants(part, model, chosen)
    write_json(part / "variants.json", found["variants"])
    facts = {"model": read_manifest(here(chosen)).digest, "report": read_manifest(here(model.report)).digest}
    seal(part, "export", facts | {"lock": model.run.lock_sha256}, {"model": chosen, "report": model.report})
    publish(part, target)
    return found


def _variants(part: Path, model: Original, chosen: str) -> list[dict[str, Any]]:
    """Write both files and the tokenizer, and say of each what it scores, what it costs and what the gates say."""
    import torch

    from models import onnx
    from models.backbone import load_classifier

    torch.set_num_threads(model.settings.threads)
    classifier, tokenizer = load_classifier(here(chosen) / "model")
    print("writing the ONNX files", flush=True)
    onnx.export(classifier, tokenizer, part / FILES["onnx"])
    onnx.quantise(part / FILES["onnx"], part / FILES["onnx int8"])
    tokenizer.save_pretrained(part)
    write_json(part / "labels.json", {str(n): label for n, label in classifier.config.id2label.items()})
    return _judged(part, model, (classifier, tokenizer))


def _judged(part: Path, model: Original, pair: tuple[Any, Any]) -> list[dict[str, Any]]:
    """Each file's answers to the test set, judged as the model's own were."""
    from models import onnx
    from models.methods import count

    texts, found = [model.task.read(row) for row in model.rows], []
    for name, file in FILES.items():
        print(f"answering {len(texts):,} test examples with {file}", flush=True)
        answers, took = onnx.classify(part / file, *pair, texts, progress("texts"))
        predictions = [prediction(row, answer) for row, answer in zip(model.rows, answers, strict=True)]
        sizes = {"variant": name, "file": file, "parameters": count(pair[0])[1]}
        sizes["bytes"] = (part / file).stat().st_size
        found.append(sizes | times(took) | model.judged(predictions))
    return found
