"""The step that proves a model: its scores beside the baselines', the champion's and its own without pretraining."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.bootstrap import RESAMPLES
from models.tasks import TASKS
from pipelines.artifact import read_json, read_manifest, sha256_file, write_json
from pipelines.artifact_root import uri_of
from pipelines.comparison import Comparison, calibration_rows, examples, label_rows
from pipelines.evaluated_suites import suites, told
from pipelines.examples import read_split, test_file
from pipelines.explanations import explanations
from pipelines.mirror import here
from pipelines.report import render_report
from pipelines.rows import read_rows
from pipelines.side_by_side import differing
from pipelines.slices import measured
from pipelines.steps import Work, make
from pipelines.verdict import CONFIDENCE

POINTS = 200  # of a curve; more cannot be seen


def evaluate(work: Work) -> None:
    """Compare the tuned model with everything it must beat; write report.json and report.html."""
    comparison = Comparison(TASKS[work.run.recipe.task], read_split(work, "test"), work.run.recipe.seed)
    asked = ("tuned", "control", "champion", "teacher")
    answers = {name: _answers(work, name) for name in asked if name in work.inputs}
    print(f"drawing {RESAMPLES:,} bootstrap samples for each interval", flush=True)
    report = {
        **_subject(work, comparison),
        **_scores(comparison, answers, _baseline_answers(work)),
        **_student(work, comparison, answers),
        "differing": _differing(comparison, answers),
        "slices": _slices(work, comparison, answers),
        **suites(work, comparison, answers["tuned"]),
        "explanations": _explained(work, comparison, answers["tuned"]),
        **language(work),
        **_beside(work),
        "curves": {name: curve(work.inputs[source]) for name, source in _trainings(work).items()},
    }
    write_json(work.out / "report.json", report)
    (work.out / "report.html").write_text(render_report(report), encoding="utf-8")
    _tell(report)


def _trainings(work: Work) -> dict[str, str]:
    """Which input each training made."""
    student = {"distil": "tuned"} if "teacher" in work.inputs else {}
    return {"base": "base", "pretrain": "adapted", "finetune": _finetuned(work)} | student


def _finetuned(work: Work) -> str:
    """Which input the fine-tuning made: the model itself, or the teacher of a student."""
    return "teacher" if "teacher" in work.inputs else "tuned"


def _beside(work: Work) -> dict[str, Any]:
    """What the fine-tuning learned from beside its examples, if anything."""
    told = read_json(work.inputs[_finetuned(work)] / "metrics.json")
    return {name: told.get(name, []) for name in ("self_training", "auxiliary")}


def _subject(work: Work, comparison: Comparison) -> dict[str, Any]:
    """What the report is about, and where it came from."""
    recipe = work.run.recipe
    return {
        "recipe": recipe.name,
        "description": recipe.description,
        "task": recipe.task,
        "primary": comparison.task.primary,
        "n": len(comparison.rows),
        "groups": comparison.units,
        "test_sha256": sha256_file(test_file(work.inputs["dataset"], recipe)),
        "confidence": CONFIDENCE,
        "dataset_md5": work.run.dataset_md5,
        "settings": recipe.model_dump(mode="json", include={"data", "base", "pretrain", "finetune", "seed"}),
        "digests": {name: read_manifest(folder).digest for name, folder in sorted(work.inputs.items())},
    }


def _scores(
    comparison: Comparison, answers: Mapping[str, list[dict[str, Any]]], baselines: Mapping[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    ours, champion = answers["tuned"], answers.get("champion")
    control = answers.get("control")
    return {
        "metrics": comparison.intervals(ours),
        "baselines": {name: comparison.opponent(ours, theirs) for name, theirs in baselines.items()},
        "champion": comparison.opponent(ours, champion) if champion else None,
        "control": comparison.opponent(ours, control) if control else None,
        "labels": label_rows(comparison.task, ours),
        "calibration": calibration_rows(comparison.task, ours),
        "examples": examples(comparison.task, comparison.rows, ours, champion),
    }


def _differing(comparison: Comparison, answers: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The examples that a reviewer judges blind; none without a champion."""
    if "champion" not in answers:
        return []
    return differing(comparison.task, comparison.rows, answers["tuned"], answers["champion"])


def _slices(work: Work, comparison: Comparison, answers: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    seen = work.run.recipe.evaluate
    return measured(comparison, seen.slices, seen.smallest_slice, answers["tuned"], answers.get("champion"))


def _student(work: Work, comparison: Comparison, answers: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Of a student, what its teacher scores, and the parameters of both; nothing of a model that has no teacher."""
    if "teacher" not in answers:
        return {}
    sizes = read_json(work.inputs["tuned"] / "metrics.json")
    named = {name: sizes[name] for name in ("parameters", "teacher_parameters")}
    return {"teacher": comparison.opponent(answers["tuned"], answers["teacher"]) | named}


def _answers(work: Work, name: str) -> list[dict[str, Any]]:
    """A model's predictions on the test set; a model already asked is not asked again."""
    inputs = {"dataset": _uri(work, "dataset"), "model": _uri(work, name)}
    return read_rows(here(make("score", work.run_uri, inputs)) / "predictions.jsonl")


def _explained(work: Work, comparison: Comparison, answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Which words some of the answers rest on; on as many threads as the step was given, so that it is repeatable."""
    import torch

    torch.set_num_threads(work.settings.threads)
    return explanations(comparison.task, work.inputs["tuned"] / "model", comparison.rows, answers)


def _uri(work: Work, name: str) -> str:
    """The name of an input, for the steps within this one."""
    return uri_of(work.inputs[name], work.settings)


def _baseline_answers(work: Work) -> dict[str, list[dict[str, Any]]]:
    inputs = {name: _uri(work, name) for name in ("dataset", "base")}
    folder = here(make("baselines", work.run_uri, inputs))
    return {name: read_rows(folder / f"predictions_{name}.jsonl") for name in read_json(folder / "metrics.json")}


def language(work: Work) -> dict[str, Any]:
    """Bits per byte on domain and general text after each stage: what was learned, and what was forgotten.

    Of a student it is its teacher that went through these stages.
    """
    before, after = (read_json(work.inputs[name] / "metrics.json")["bits_per_byte"] for name in ("base", "adapted"))
    change = {corpus: round(after[corpus] / before[corpus] - 1, 6) for corpus in before}
    inputs = {name: _uri(work, name) for name in ("dataset", "adapted")}
    inputs["tuned"] = _uri(work, _finetuned(work))
    last = read_json(here(make("retention", work.run_uri, inputs)) / "metrics.json")["bits_per_byte"]
    return {
        "bits_per_byte": {"base": before, "pretrained": after, "finetuned": last},
        "bits_per_byte_change": change,
    }


def curve(folder: Path) -> list[dict[str, Any]]:
    """A training's loss curve, evenly thinned to what a plot can show; empty when nothing was trained."""
    path = folder / "curve.jsonl"
    rows = read_rows(path) if path.is_file() else []
    step = max(1, -(-len(rows) // POINTS))
    return rows[::-step][::-1]


def _tell(report: Mapping[str, Any]) -> None:
    """The main numbers, for the task's log."""
    primary, found = report["primary"], report["metrics"][report["primary"]]
    print(
        f"{primary} {found['value']:.4f} (95 % interval {found['low']:.4f} to {found['high']:.4f}), n = {report['n']:,}"
    )
    opponents = {f"baseline {name}": value for name, value in report["baselines"].items()}
    opponents |= {"the champion": report["champion"], "without continued pretraining": report["control"]}
    opponents |= {"its teacher": report.get("teacher")}
    for name, other in opponents.items():
        if other and other["difference"] is None:
            print(f"  {name} has no {primary}: {other['metrics']}")
        elif other:
            gap = other["difference"]
            print(
                f"  {other['metrics'][primary]:.4f} {name}: "
                f"difference {gap['value']:+.4f} ({gap['low']:+.4f} to {gap['high']:+.4f})"
            )
    for line in told(report):
        print(f"  {line}")
    for stage, values in report["bits_per_byte"].items():
        print(f"  bits per byte, {stage}: " + ", ".join(f"{name} {value:.4f}" for name, value in values.items()))
