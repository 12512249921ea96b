"""Smaller forms of a trained model, each judged by the recipe's gates as the model that it was made from was."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from models.speed import percentile
from models.tasks import TASKS
from models.tasks.task import Task
from pipelines import flow, local
from pipelines.answers import kind_of
from pipelines.artifact import TIMINGS, read_json, sha256_text
from pipelines.behaviour import ANSWERS, answers
from pipelines.behaviour_report import Answered, by_case, read_answered
from pipelines.behaviour_report import measured as behaved
from pipelines.bias import asked_alone, can_be_asked
from pipelines.changed_rows import changed
from pipelines.comparison import Comparison
from pipelines.errors import Refused
from pipelines.examples import Load, Rows, examples
from pipelines.gates import judge
from pipelines.locks import lock
from pipelines.mirror import here, manifest_of
from pipelines.policy_file import under_policy
from pipelines.robustness_report import measured as steadiness
from pipelines.robustness_report import read_changed
from pipelines.rows import read_rows
from pipelines.run import Run, freeze, id_now
from pipelines.settings import Settings
from pipelines.slices import measured
from pipelines.speed import measured as timed
from pipelines.speed import sample, size_of
from pipelines.steps import Work, make
from pipelines.toxicity_report import toxicity_of
from pipelines.verbatim_report import measured as copies


@dataclass(frozen=True)
class Answers:
    """What a model answers to the test rows, to changed ones and to the cases of behaviour; what it costs and prefers.

    `bias` is {} where it is not asked for, and of a model that says of no sentence how likely it is.
    """

    rows: Rows
    changed: Mapping[str, Rows]
    cases: Answered
    cost: Mapping[str, Any]
    bias: Mapping[str, Any]


@dataclass(frozen=True)
class Original:
    """A trained model and its report. `known` says whether the champion, or that there is none, is known."""

    run: Run
    report: str
    settings: Settings
    known: bool = True

    @property
    def task(self) -> Task:
        return TASKS[self.run.recipe.task]

    @cached_property
    def inputs(self) -> Mapping[str, str]:
        """What the report was made from, by name: "dataset", "base", "tuned", perhaps "champion" and "teacher"."""
        return manifest_of(self.report).parents

    @property
    def teacher(self) -> str:
        """The fine-tuned model, which is the candidate unless its student is."""
        return self.inputs.get("teacher", self.inputs["tuned"])

    @cached_property
    def run_uri(self) -> str:
        return freeze(self.run, self.settings)

    @cached_property
    def rows(self) -> Rows:
        """The test examples."""
        return examples(self.task, here(self.inputs["dataset"]) / self.run.recipe.data.examples / "test.jsonl")

    @cached_property
    def rivals(self) -> dict[str, Any]:
        """The answers of the fine-tuned model, of the champion if any, and of the baselines."""
        told = {"tuned": self.answers(self.teacher)}
        if "champion" in self.inputs:
            told["champion"] = self.answers(self.inputs["champion"])
        asked = {"dataset": self.inputs["dataset"], "base": self.inputs["base"]}
        folder = here(make("baselines", self.run_uri, asked))
        named = read_json(folder / "metrics.json")
        return told | {"baselines": {name: read_rows(folder / f"predictions_{name}.jsonl") for name in named}}

    def answers(self, model: str) -> Rows:
        """What the model of an artifact answers to the test examples."""
        scored = make("score", self.run_uri, {"dataset": self.inputs["dataset"], "model": model})
        return read_rows(here(scored) / "predictions.jsonl")

    def load(self, folder: Path) -> tuple[Any, Any]:
        """The torch model of a folder, and its tokenizer."""
        from models import backbone, writers

        kinds = {"text": writers.load_writer, "passage": backbone.load_bi_encoder}
        return kinds.get(self.task.answer, backbone.load_classifier)(folder)

    def asked(self, model: str) -> Answers:
        """What the model of an artifact answers to all that the recipe asks; one that was asked is not asked again."""
        inputs, seen = {"dataset": self.inputs["dataset"], "model": model}, self.run.recipe.evaluate
        changes: Mapping[str, Rows] = {}
        cases: Answered = []
        if seen.robustness:
            changes = read_changed(here(make("robustness", self.run_uri, inputs)), seen.robustness)
        if seen.behaviour:
            cases = read_answered(here(make("behaviour", self.run_uri, inputs)) / ANSWERS)
        speed = read_json(here(make("speed", self.run_uri, inputs)) / TIMINGS) if seen.speed else {}
        cost = {"speed": speed, "size": {"bytes": size_of(manifest_of(model))}}
        return Answers(self.answers(model), changes, cases, cost, self._bias(model))

    def _bias(self, model: str) -> dict[str, Any]:
        """What the model of an artifact prefers: the report's own model, or one that can be asked alone."""
        wanted, is_own = self.run.recipe.evaluate.bias, model == self.inputs["tuned"]
        if not wanted or not (is_own or can_be_asked(self.task, here(model) / "model")):
            return {}
        inputs = {name: self.inputs[name] for name in ("dataset", "adapted")} | {"tuned": model}
        return dict(read_json(here(make("bias", self.run_uri, inputs)) / "metrics.json"))

    def read(self, folder: Path, load: Load) -> Answers:
        """The same of a model that is read from a folder by `load`."""
        kinds = self.run.recipe.evaluate.robustness
        changes: dict[str, Rows] = {
            kind: self._read(folder, load, changed(self.task, self.rows, kind)) for kind in kinds
        }
        cost = {"speed": self._timed(folder), "size": {"bytes": sum(f.stat().st_size for f in folder.rglob("*"))}}
        bias = asked_alone(folder, load, here(self.inputs["dataset"]), self.run.recipe)
        return Answers(self._read(folder, load, self.rows), changes, self._read_cases(folder, load), cost, bias)

    def _timed(self, folder: Path) -> dict[str, Any]:
        """What a folder of ONNX graphs costs, where the recipe asks."""
        if not self.run.recipe.evaluate.speed:
            return {}
        rows = sample(self.task, self.rows)
        return timed(self.task, folder, rows, self.settings.threads, exported=True)

    def _read_cases(self, folder: Path, load: Load) -> Answered:
        """The cases of the report, answered by another model."""
        if not self.run.recipe.evaluate.behaviour:
            return []
        cases = [case for case, _ in read_answered(here(self.report) / ANSWERS)]
        said = answers(self.task, folder, [row for case in cases for row in case.asked], load)
        return list(zip(cases, by_case(cases, said), strict=True))

    def _read(self, folder: Path, load: Load, rows: Rows) -> Rows:
        inputs, nowhere = {"dataset": here(self.inputs["dataset"])}, self.settings.work
        beside = kind_of(self.task).beside(Work(self.run, inputs, nowhere, nowhere, self.settings, self.run_uri))
        return list(kind_of(self.task).predictions(self.task, folder, rows, load, **beside))

    def times(self, folder: Path, load: Load | None = None) -> dict[str, float]:
        """The milliseconds that the model of a folder takes for one row at a time of those that chance draws."""
        from models.serving import load as serve

        drawn = sample(self.task, self.rows)
        answer = serve(folder, self.task.name, load)
        answer(drawn[:1])  # the first call makes what the others find made
        took = []
        for row in drawn:
            start = time.perf_counter()
            answer([row])
            took.append(1000 * (time.perf_counter() - start))
        return {f"ms_p{p}": round(percentile(took, p), 3) for p in (50, 95)}

    def student(self) -> str:
        """The smaller model of the recipe's [distil], which learns from this one unless it has."""
        return make("distil", self.run_uri, {"dataset": self.inputs["dataset"], "teacher": self.teacher})

    def judged(self, said: Answers) -> dict[str, Any]:
        """A variant's agreement with the model, its metrics, and what the gates say of its answers."""
        report = self._report(said)
        if not self.known:
            del report["champion"]
        gates = under_policy(self.run.recipe, self.settings).gates
        verdicts = [verdict.model_dump(mode="json") for verdict in judge(gates, report)]
        pairs = zip(said.rows, self.rivals["tuned"], strict=True)
        same = sum(ours["prediction"] == theirs["prediction"] for ours, theirs in pairs)
        return {"agreement": same / len(self.rows), "metrics": report["metrics"], "gates": verdicts}

    def _report(self, said: Answers) -> dict[str, Any]:
        """The report of the model with the numbers of a variant in it: bits per byte are those of the original."""
        comparison, ours = Comparison(self.task, self.rows, self.run.recipe.seed), said.rows
        champion, baselines = self.rivals.get("champion"), self.rivals["baselines"]
        seen = self.run.recipe.evaluate
        return dict(read_json(here(self.report) / "report.json")) | {
            "metrics": comparison.intervals(ours),
            "baselines": {name: comparison.opponent(ours, theirs) for name, theirs in baselines.items()},
            "champion": comparison.opponent(ours, champion) if champion else None,
            "slices": measured(comparison, seen.slices, seen.smallest_slice, ours, champion),
            "robustness": steadiness(comparison, ours, said.changed),
            "behaviour": behaved(self.task, said.cases, None),
            "verbatim": self._copies(comparison, ours),
            "toxicity": toxicity_of(self.run.recipe, comparison, ours),
            "bias": said.bias,
            **said.cost,
        }

    def _copies(self, comparison: Comparison, ours: Rows) -> dict[str, Any]:
        """How many answers repeat a training target, where the recipe asks."""
        if (run := self.run.recipe.evaluate.verbatim) is None:
            return {}
        train = examples(self.task, here(self.inputs["dataset"]) / self.run.recipe.data.examples / "train.jsonl")
        return copies(comparison, ours, (str(row[self.task.target]) for row in train), run)


def decided(recipe: str, changes: dict[str, Any], purpose: str, settings: Settings) -> Run:
    """The run of a recipe as it is now, to make something smaller of what it trained."""
    return local.decide(recipe, changes, id_now(purpose), settings)


def original(run: Run, settings: Settings) -> Original:
    """What `train` made of the recipe as it is now. Raises Refused when it is not trained."""
    champion, known = local.champion_folder(run.recipe.name, settings)
    last = flow.plan(run, champion, settings)[-1]
    if last.uri is None:
        name = run.recipe.name
        raise Refused(f"{name} is not trained as it is now ({last.why}); run `scriptorium train {name}` first")
    return Original(run, last.uri, settings, known)


def require_new(out: Path | None) -> None:
    """Raise Refused for a folder of --out that exists."""
    if out and out.exists():
        raise Refused(f"--out {out} exists; name a folder that does not")


@contextmanager
def only_writer(target: Path, out: Path | None, settings: Settings) -> Iterator[None]:
    """Meanwhile nobody else writes the folder. Raises Refused for one of --out that was made since it was asked for."""
    name = sha256_text(str(target.resolve()))[:12]
    with lock(settings.locks / f"folder-{name}", f"another process writes {target}"):
        require_new(out)
        yield
