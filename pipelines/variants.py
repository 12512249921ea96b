"""Smaller forms of a trained model, each judged by the recipe's gates as the model that it was made from was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from models.tasks import TASKS
from models.tasks.labels import answer_of
from models.tasks.task import Row, Task
from pipelines import flow, local
from pipelines.artifact import read_json, sha256_text
from pipelines.comparison import Comparison
from pipelines.errors import Refused
from pipelines.examples import Rows, examples
from pipelines.gates import judge
from pipelines.locks import lock
from pipelines.mirror import here, manifest_of
from pipelines.rows import read_rows
from pipelines.run import Run, freeze
from pipelines.settings import Settings
from pipelines.steps import make


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
        """What the report was made from, by name: "dataset", "base", "tuned", perhaps "champion"."""
        return manifest_of(self.report).parents

    @cached_property
    def run_uri(self) -> str:
        return freeze(self.run, self.settings)

    @cached_property
    def rows(self) -> Rows:
        """The test examples."""
        return examples(self.task, here(self.inputs["dataset"]) / self.run.recipe.data.examples / "test.jsonl")

    @cached_property
    def rivals(self) -> dict[str, Any]:
        """What the report compared: the answers of the model itself, of the champion if any, and of the baselines."""
        told = {name: self.answers(self.inputs[name]) for name in ("tuned", "champion") if name in self.inputs}
        asked = {"dataset": self.inputs["dataset"], "base": self.inputs["base"]}
        folder = here(make("baselines", self.run_uri, asked))
        named = read_json(folder / "metrics.json")
        return told | {"baselines": {name: read_rows(folder / f"predictions_{name}.jsonl") for name in named}}

    def answers(self, model: str) -> Rows:
        """What the model of an artifact answers to the test examples."""
        scored = make("score", self.run_uri, {"dataset": self.inputs["dataset"], "model": model})
        return read_rows(here(scored) / "predictions.jsonl")

    def student(self) -> str:
        """The smaller model of the recipe's [distil], which learns from this one unless it has."""
        return make("distil", self.run_uri, {"dataset": self.inputs["dataset"], "teacher": self.inputs["tuned"]})

    def judged(self, predictions: Rows) -> dict[str, Any]:
        """A variant's agreement with the model, its metrics, and what the gates say of its answers."""
        report = self._report(predictions)
        if not self.known:
            del report["champion"]
        verdicts = [verdict.model_dump(mode="json") for verdict in judge(self.run.recipe.gates, report)]
        pairs = zip(predictions, self.rivals["tuned"], strict=True)
        same = sum(ours["prediction"] == theirs["prediction"] for ours, theirs in pairs)
        return {"agreement": same / len(self.rows), "metrics": report["metrics"], "gates": verdicts}

    def _report(self, ours: Rows) -> dict[str, Any]:
        """The report of the model with the numbers of a variant in it: bits per byte are those of the original."""
        comparison = Comparison(self.task, self.rows, self.run.recipe.seed)
        champion, baselines = self.rivals.get("champion"), self.rivals["baselines"]
        return dict(read_json(here(self.report) / "report.json")) | {
            "metrics": comparison.intervals(ours),
            "baselines": {name: comparison.opponent(ours, theirs) for name, theirs in baselines.items()},
            "champion": comparison.opponent(ours, champion) if champion else None,
        }


def decided(recipe: str, changes: dict[str, Any], purpose: str, settings: Settings) -> Run:
    """The run of a recipe as it is now, to make something smaller of what it trained."""
    return local.decide(recipe, changes, f"{purpose}-{datetime.now(UTC):%Y%m%dT%H%M%S}", settings)


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


def prediction(row: Row, chances: Mapping[str, float]) -> dict[str, Any]:
    """An answer as a prediction, as the step that scores writes it."""
    answer = answer_of(chances)
    return {"id": row["id"], "label": row["label"], **answer, "probability": round(answer["probability"], 6)}


def times(took: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile of the milliseconds that one text took."""
    ordered = sorted(took)
    return {f"ms_p{p}": round(ordered[min(len(ordered) - 1, len(ordered) * p // 100)], 3) for p in (50, 95)}
