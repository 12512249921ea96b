"""The order of the cached steps, as data: run without Airflow by `train`, and told in advance by `plan`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipelines import mirror
from pipelines.artifact_root import uri_of
from pipelines.run import Run
from pipelines.settings import Settings
from pipelines.steps import made_from, make, target_of


@dataclass(frozen=True)
class Stage:
    """One task of a training: its step, and for each input the stage that makes it."""

    name: str
    step: str
    inputs: dict[str, str]


@dataclass(frozen=True)
class Forecast:
    """What will happen to a stage, and why."""

    stage: str
    reused: bool
    why: str
    uri: str | None


def stages(run: Run, *, champion: bool = False) -> list[Stage]:
    """The stages of a run in order; `dags/train.py` draws the same for Airflow.

    With a `champion` to compare with, it stands beside them as a source of that name.
    """
    released = {"tuned": "distil", "teacher": "finetune"} if run.recipe.releases_student else {"tuned": "finetune"}
    trained = {"dataset": "dataset", "base": "base", "adapted": "pretrain"} | released
    control = {"control": "finetune_without_pretraining"} if run.recipe.evaluate.control else {}
    rival = {"champion": "champion"} if champion else {}
    return [
        Stage("dataset", "dataset", {}),
        Stage("validate", "validate", {"dataset": "dataset"}),
        Stage("base", "base", {"dataset": "dataset", "validation": "validate"}),
        Stage("pretrain", "pretrain", {"dataset": "dataset", "base": "base"}),
        Stage("finetune", "finetune", {"dataset": "dataset", "model": "pretrain"}),
        *(Stage(name, "finetune", {"dataset": "dataset", "model": "base"}) for name in control.values()),
        *([Stage("distil", "distil", {"dataset": "dataset", "teacher": "finetune"})] if "teacher" in released else []),
        Stage("evaluate", "evaluate", trained | control | rival),
    ]


def train(run_uri: str, run: Run, champion: str | None) -> str:
    """Make every stage in this process and return the report's URI; `champion` is its model's artifact."""
    made = {"champion": champion} if champion else {}
    for stage in stages(run, champion=bool(champion)):
        made[stage.name] = make(stage.step, run_uri, {name: made[source] for name, source in stage.inputs.items()})
    return made["evaluate"]


def plan(run: Run, champion: str | None, settings: Settings) -> list[Forecast]:
    """Say for every stage whether a whole output exists, and if not, what differs from the newest one."""
    digests: dict[str, str] = {"champion": mirror.manifest_of(champion).digest} if champion else {}
    forecasts = []
    for stage in stages(run, champion=bool(champion)):
        forecast = _forecast(stage, digests, run, settings)
        forecasts.append(forecast)
        if forecast.uri:
            digests[stage.name] = mirror.manifest_of(forecast.uri).digest
    return forecasts


def _forecast(stage: Stage, digests: dict[str, str], run: Run, settings: Settings) -> Forecast:
    if waiting := [source for source in stage.inputs.values() if source not in digests]:
        return Forecast(stage.name, reused=False, why=f"{waiting[0]} runs first", uri=None)
    facts = made_from(stage.step, run, {name: digests[source] for name, source in stage.inputs.items()})
    target = target_of(stage.step, facts, settings)
    if mirror.is_there(target, settings):
        uri = uri_of(target, settings)
        return Forecast(stage.name, reused=True, why="a whole output of the same inputs exists", uri=uri)
    # Every try has the folder; a whole checkpoint in it has this name, see models/checkpoint.py.
    if any((settings.work / stage.step / target.name / "checkpoints").glob("checkpoint-*")):
        return Forecast(stage.name, reused=False, why="continues a try that was stopped", uri=None)
    return Forecast(stage.name, reused=False, why=_why(target.parent, facts, settings), uri=None)


def _why(step: Path, facts: dict[str, str], settings: Settings) -> str:
    """The facts that differ from the nearest output of this step, in words."""
    manifests = [manifest.made_from for manifest in mirror.manifests(step, settings).values()]
    if not manifests:
        return "never made here"
    nearest = min(manifests, key=lambda other: len(_differences(facts, other)))
    return "changed: " + ", ".join(_differences(facts, nearest)[:4])


def _differences(facts: dict[str, str], other: dict[str, str]) -> list[str]:
    """The names whose values differ; a recipe field or number also says from what to what."""
    names = sorted(name for name in facts.keys() | other.keys() if facts.get(name) != other.get(name))
    return [f"{n} ({other.get(n)} -> {facts.get(n)})" if n.startswith(("recipe.", "seed")) else n for n in names]
