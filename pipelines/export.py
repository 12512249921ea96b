"""A trained classifier as ONNX files, each judged by the recipe's gates before anybody may serve it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models.tasks import TASKS
from models.tasks.labels import answer_of
from models.tasks.task import Row
from pipelines import flow, local
from pipelines.artifact import publish, read_json, read_manifest, seal, verify, write_json
from pipelines.comparison import Comparison
from pipelines.errors import Refused
from pipelines.examples import examples
from pipelines.gates import judge
from pipelines.locks import lock
from pipelines.loop_progress import progress
from pipelines.mirror import here, manifest_of
from pipelines.rows import read_rows
from pipelines.run import Run, freeze
from pipelines.settings import Settings
from pipelines.steps import make

FILES = {"onnx": "model.onnx", "onnx int8": "model.int8.onnx"}


def export(recipe: str, changes: dict[str, Any], out: Path | None, settings: Settings) -> dict[str, Any]:
    """Write the model that `train` made of a recipe as ONNX files, and judge each by the gates; returns what was found.

    Raises Refused for a task without a single text and a label, for a recipe that is not trained yet, and for a folder
    that holds anything.
    """
    run = local.decide(recipe, changes, f"export-{datetime.now(UTC):%Y%m%dT%H%M%S}", settings)
    task = TASKS[run.recipe.task]
    if task.texts != ("text",) or task.answer != "label":
        raise Refused(f"{recipe}: only a model that labels single texts becomes ONNX files, not one for {task.name}")
    if run.recipe.pretrain.objective == "causal":
        raise Refused(f"{recipe}: only an encoder becomes ONNX files, not a decoder that is asked for words")
    if out and out.exists():
        raise Refused(f"--out {out} exists; name a folder that does not")
    champion, known = local.champion_folder(run.recipe.name, settings)
    report = _report_uri(run, champion, settings)
    with lock(settings.locks / f"export-{recipe}", f"another process exports {recipe}"):
        return written(run, report, out or settings.home / "exports" / recipe, settings, known=known)


def written(run: Run, report: str, target: Path, settings: Settings, *, known: bool) -> dict[str, Any]:
    """Write the model of a report into the folder `target`: aside first, its manifest last.

    `known` says whether the champion, or that there is none, is known.
    """
    inputs = manifest_of(report).parents
    verify(here(inputs["tuned"]))
    part = target.with_name(target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    found: dict[str, Any] = {"folder": str(target), "primary": TASKS[run.recipe.task].primary}
    found["variants"] = _variants(part, run, report, settings, known=known)
    write_json(part / "variants.json", found["variants"])
    facts = {"model": read_manifest(here(inputs["tuned"])).digest, "report": read_manifest(here(report)).digest}
    seal(part, "export", facts | {"lock": run.lock_sha256}, {"tuned": inputs["tuned"], "report": report})
    publish(part, target)
    return found


def _report_uri(run: Run, champion: str | None, settings: Settings) -> str:
    """The report of the recipe as it is now."""
    last = flow.plan(run, champion, settings)[-1]
    if last.uri is None:
        name = run.recipe.name
        raise Refused(f"{name} is not trained as it is now ({last.why}); run `scriptorium train {name}` first")
    return last.uri


def _variants(part: Path, run: Run, report: str, settings: Settings, *, known: bool) -> list[dict[str, Any]]:
    """Write both files and the tokenizer, and say of each what it scores, what it costs and what the gates say."""
    import torch

    from models import onnx
    from models.backbone import load_classifier

    torch.set_num_threads(settings.threads)
    model, tokenizer = load_classifier(here(manifest_of(report).parents["tuned"]) / "model")
    print("writing the ONNX files", flush=True)
    onnx.export(model, tokenizer, part / FILES["onnx"])
    onnx.quantise(part / FILES["onnx"], part / FILES["onnx int8"])
    tokenizer.save_pretrained(part)
    write_json(part / "labels.json", {str(n): label for n, label in model.config.id2label.items()})
    return _judged(part, run, report, (model, tokenizer), known=known, run_uri=freeze(run, settings))


def _judged(  # noqa: PLR0913
    part: Path, run: Run, report_uri: str, pair: tuple[Any, Any], *, known: bool, run_uri: str
) -> list[dict[str, Any]]:
    """Each file's answers to the test set, judged as the model's own were."""
    from models import onnx

    inputs, task = manifest_of(report_uri).parents, TASKS[run.recipe.task]
    rows = examples(task, here(inputs["dataset"]) / run.recipe.data.examples / "test.jsonl")
    rivals, texts, found = _rivals(run_uri, inputs), [task.read(row) for row in rows], []
    for name, file in FILES.items():
        print(f"answering {len(rows):,} test examples with {file}", flush=True)
        answers, took = onnx.classify(part / file, *pair, texts, progress("texts"))
        predictions = [_prediction(row, answer) for row, answer in zip(rows, answers, strict=True)]
        report = _report(Comparison(task, rows, run.recipe.seed), predictions, rivals, here(report_uri))
        if not known:
            del report["champion"]
        verdicts = [verdict.model_dump(mode="json") for verdict in judge(run.recipe.gates, report)]
        same = sum(a["prediction"] == b["prediction"] for a, b in zip(predictions, rivals["tuned"], strict=True))
        sizes = {"variant": name, "file": file, "bytes": (part / file).stat().st_size}
        judged = {"agreement": same / len(rows), "metrics": report["metrics"], "gates": verdicts}
        found.append(sizes | _times(took) | judged)
    return found


def _prediction(row: Row, chances: Mapping[str, float]) -> dict[str, Any]:
    answer = answer_of(chances)
    return {"id": row["id"], "label": row["label"], **answer, "probability": round(answer["probability"], 6)}


def _rivals(run_uri: str, inputs: Mapping[str, str]) -> dict[str, Any]:
    """What the report compared: the answers of the torch model, of the champion if any, and of the baselines."""
    asked = {"dataset": inputs["dataset"]}
    told = {
        name: read_rows(here(make("score", run_uri, asked | {"model": inputs[name]})) / "predictions.jsonl")
        for name in ("tuned", "champion")
        if name in inputs
    }
    folder = here(make("baselines", run_uri, asked | {"base": inputs["base"]}))
    named = read_json(folder / "metrics.json")
    return told | {"baselines": {name: read_rows(folder / f"predictions_{name}.jsonl") for name in named}}


def _report(comparison: Comparison, ours: Any, rivals: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The report of the torch model with the numbers of a variant in it: bits per byte are those of the original."""
    champion = rivals.get("champion")
    return dict(read_json(folder / "report.json")) | {
        "metrics": comparison.intervals(ours),
        "baselines": {name: comparison.opponent(ours, theirs) for name, theirs in rivals["baselines"].items()},
        "champion": comparison.opponent(ours, champion) if champion else None,
    }


def _times(took: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile of the milliseconds that one text took."""
    ordered = sorted(took)
    return {f"ms_p{p}": round(ordered[min(len(ordered) - 1, len(ordered) * p // 100)], 3) for p in (50, 95)}
