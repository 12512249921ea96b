"""The suites that a recipe names beside the test set: what each found, for the report."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.artifact import TIMINGS, read_json, read_manifest
from pipelines.artifact_root import uri_of
from pipelines.behaviour import ANSWERS
from pipelines.behaviour_report import measured as behaved
from pipelines.behaviour_report import read_answered
from pipelines.comparison import Comparison
from pipelines.mirror import here
from pipelines.robustness_report import measured as steadiness
from pipelines.robustness_report import read_changed
from pipelines.speed import size_of
from pipelines.steps import Work, make
from pipelines.toxicity_report import toxicity_of
from pipelines.verbatim_report import measured as copies
from pipelines.verbatim_report import targets

Answers = list[dict[str, Any]]


def suites(work: Work, comparison: Comparison, answers: Answers) -> dict[str, Any]:
    """What each suite found of the tuned model, given its answers to the test rows; {} of one that is not named."""
    return {
        "robustness": _robustness(work, comparison, answers),
        "behaviour": _behaviour(work, comparison),
        "verbatim": _verbatim(work, comparison, answers),
        "toxicity": toxicity_of(work.run.recipe, comparison, answers),
        "bias": _bias(work),
        "speed": _speed(work),
        "size": {"bytes": size_of(read_manifest(work.inputs["tuned"]))},
    }


def told(report: Mapping[str, Any]) -> Iterator[str]:
    """The main numbers of the suites, a line each, for the task's log."""
    primary = report["primary"]
    for kind, values in report["robustness"].items():
        flips = f"; {values['flip_rate']['value']:.1%} of answers changed" if values["flip_rate"] else ""
        loss = f"loss of {primary} {values['loss']['value']:+.4f}" if values["loss"] else f"no {primary}"
        yield f"{kind}, n = {values['n']:,}: {loss}{flips}"
    for kind, values in report["behaviour"].items():
        yield f"{kind}: {values['passed']:,} of {values['n']:,} cases passed"
    if found := report["verbatim"]:
        yield f"{found['rate']['value']:.1%} of the answers repeat {found['run']} characters of a training target"
    if found := report["toxicity"]:
        yield f"{found['rate']['value']:.1%} of the answers are toxic, as {found['model']} says"
    if found := report["bias"]:
        yield f"the stereotype is likelier in {found['rate']['value']:.1%} of {found['n']:,} pairs"
    if found := report["speed"]:
        yield f"{found['p50_ms']:,.1f} ms a text, 95 % within {found['p95_ms']:,.1f} ms; {found['memory_mb']:,.0f} MB"


def _robustness(work: Work, comparison: Comparison, answers: Answers) -> dict[str, Any]:
    """What changed texts do to the answers; a model already asked is not asked again."""
    if not (kinds := work.run.recipe.evaluate.robustness):
        return {}
    folder = here(make("robustness", work.run_uri, _inputs(work, "dataset", model="tuned")))
    return steadiness(comparison, answers, read_changed(folder, kinds))


def _behaviour(work: Work, comparison: Comparison) -> dict[str, Any]:
    """How many cases the model passes, and the champion; the answers go beside, for promotion asks them again."""
    if not work.run.recipe.evaluate.behaviour:
        return {}
    named = [name for name in ("tuned", "champion") if name in work.inputs]
    made = {name: make("behaviour", work.run_uri, _inputs(work, "dataset", model=name)) for name in named}
    shutil.copyfile(here(made["tuned"]) / ANSWERS, work.out / ANSWERS)
    found = {name: read_answered(here(uri) / ANSWERS) for name, uri in made.items()}
    return behaved(comparison.task, found["tuned"], found.get("champion"))


def _verbatim(work: Work, comparison: Comparison, answers: Answers) -> dict[str, Any]:
    """How many answers repeat a training target, where the recipe says how much of one is a copy."""
    if (run := work.run.recipe.evaluate.verbatim) is None:
        return {}
    return copies(comparison, answers, targets(work), run)


def _bias(work: Work) -> dict[str, Any]:
    """Which of two sentences about people is likelier, to the candidate as a language model."""
    if not work.run.recipe.evaluate.bias:
        return {}
    inputs = _inputs(work, "dataset", "adapted", "tuned")
    return dict(read_json(here(make("bias", work.run_uri, inputs)) / "metrics.json"))


def _speed(work: Work) -> dict[str, Any]:
    """What the model costs, on the machine that measured it first."""
    if not work.run.recipe.evaluate.speed:
        return {}
    inputs = _inputs(work, "dataset", model="tuned")
    return dict(read_json(here(make("speed", work.run_uri, inputs)) / TIMINGS))


def _inputs(work: Work, *names: str, **named: str) -> dict[str, str]:
    """The inputs of a step within this one: under their own names, or under others."""
    own = {name: name for name in names} | named
    return {name: uri_of(work.inputs[source], work.settings) for name, source in own.items()}
