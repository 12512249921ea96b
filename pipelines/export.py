"""A trained model as ONNX files, in fp32 and in int8, each judged by the recipe's gates before anybody may serve it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from pipelines.artifact import publish, read_manifest, seal, verify, write_json
from pipelines.errors import Refused
from pipelines.mirror import here
from pipelines.settings import Settings
from pipelines.student import require_section
from pipelines.variants import Original, decided, only_writer, original, require_new

FOLDERS = {"onnx": "fp32", "onnx int8": "int8"}


def export(
    recipe: str, changes: dict[str, Any], out: Path | None, settings: Settings, *, student: bool = False
) -> dict[str, Any]:
    """Write the model that `train` made of a recipe as ONNX files, and judge each by the gates; returns what was found.

    With `student`, its student is written, which learns first unless it has. Raises Refused for a kind of model that no
    graph can hold, for a recipe that is not trained yet, and for a folder that exists.
    """
    run = decided(recipe, changes, "export", settings)
    if student or run.recipe.releases_student:
        require_section(run.recipe)
    elif run.recipe.finetune.prompt and run.recipe.pretrain.objective == "causal":
        raise Refused(f"{recipe}: a decoder that is asked for words cannot become an ONNX file; one with a head can")
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
    """Write the graphs in fp32 and in int8, and say of each what it scores, what it costs and what the gates say."""
    from models import onnx, threads
    from models.exported import load_exported
    from models.methods import count

    threads.use(model.settings.threads)
    torch_model, tokenizer = model.load(here(chosen) / "model")
    whole, found = part / FOLDERS["onnx"], []
    print("writing the ONNX files", flush=True)
    # What lies beside the weights is read beside the graphs: a threshold, a pool of answers, what is known of users.
    shutil.copytree(here(chosen) / "model", whole, ignore=shutil.ignore_patterns("*.safetensors", "*.jinja"))
    try:
        onnx.export(torch_model, tokenizer, whole)
    except ValueError as error:
        raise Refused(f"{model.run.recipe.name}: {error}") from None
    onnx.quantise(whole, part / FOLDERS["onnx int8"])
    for name, folder in FOLDERS.items():
        print(f"answering {len(model.rows):,} test examples with {folder}", flush=True)
        said = model.read(part / folder, load_exported)
        sizes = {"variant": name, "folder": folder, "parameters": count(torch_model)[1]}
        sizes["bytes"] = sum(file.stat().st_size for file in (part / folder).glob("*.onnx"))
        found.append(sizes | model.times(part / folder, load_exported) | model.judged(said))
    return found
