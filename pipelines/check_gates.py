"""The step that decides: gather the evidence, judge it, seal it, and refuse by name what did not pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.artifact import canonical, read_json, sha256_file, sha256_text
from pipelines.artifact_root import uri_of
from pipelines.champion import Champion, champion
from pipelines.dossier import RUN, Dossier, Model, Opponent, Source, refuse_unless_passed, whole, write
from pipelines.errors import Refused
from pipelines.examples import test_file
from pipelines.flow import stages
from pipelines.gates import judge
from pipelines.mirror import here, manifest_of
from pipelines.policy import run_to_decide
from pipelines.policy_file import policy_sha256
from pipelines.run import Run
from pipelines.settings import Settings, read_settings
from pipelines.steps import made_from, target_of
from pipelines.tracked_trainings import Tracked
from pipelines.tracking import DATASET, record_run
from pipelines.verdict import Verdict

# Parts of the report that are for looking at, not for deciding; they stay in the report's own artifact.
PICTURES = ("curves", "examples", "calibration", "explanations", "differing")
# What a dossier calls the artifacts that no input of `evaluate` names.
NAMES = {"validate": "validation", "evaluate": "report"}
# Of the others, which are large and have done their work, the manifest is enough.
DECISIVE = ("validation", "tuned", "report")


@dataclass(frozen=True)
class Evidence:
    """What there is to judge: a run, its report, and the artifacts that the report rests on."""

    run_uri: str
    run: Run
    artifacts: Mapping[str, str]
    report: Mapping[str, Any]


def check_gates(run_uri: str, inputs: Mapping[str, str]) -> str:
    """Judge the report of a run and return the URI of its dossier. Never cached.

    The dossier is written whether or not the gates pass. Raises Refused naming each gate that did not, with its
    value and limit; also when the evidence is not that of this run, or the champion changed since it was compared.
    """
    settings = read_settings()
    run = run_to_decide(run_uri, settings)
    held = champion(run.recipe.name, settings)
    opponent = same_champion(held, manifest_of(inputs["report"]).made_from.get("input.champion"))
    artifacts = artifacts_of(inputs["report"], run, held, settings)
    evidence = Evidence(run_uri, run, artifacts, read_json(here(inputs["report"]) / "report.json"))
    require_test_rows(evidence)
    tracked = record_run(run_uri, run, artifacts, evidence.report, settings)
    verdicts = judge(run.recipe.gates, evidence.report)
    dossier = assemble(evidence, verdicts, opponent, tracked, policy_sha256(settings))
    uri = write(dossier, settings)
    print(table(verdicts), f"dossier: {uri}", sep="\n", flush=True)
    refuse_unless_passed(verdicts)
    return uri


def artifacts_of(report_uri: str, run: Run, held: Champion | None, settings: Settings) -> dict[str, str]:
    """The artifacts that a report must rest on, by name: at each stage the one that this run makes from those before.

    Their places are worked out from the run alone, so that no edge can lead elsewhere, whatever a task was handed.
    Raises Refused naming the first that is not whole, or that the report did not use, and what differs.
    """
    report, order = whole(report_uri), stages(run, champion=held is not None)
    names = {source: name for name, source in order[-1].inputs.items()} | NAMES
    found = {"champion": uri_of(held.folder, settings)} if held else {}
    digests = {"champion": held.digest} if held else {}
    for stage in order:
        facts = made_from(stage.step, run, {name: digests[source] for name, source in stage.inputs.items()})
        name, uri = names[stage.name], uri_of(target_of(stage.step, facts, settings), settings)
        used = report_uri if name == "report" else report.parents.get(name, uri)
        if used != uri:
            raise Refused(f"{used} is not the {name} of this run: {differing(used, facts)}; start a new run")
        digests[stage.name] = (whole(uri) if name in DECISIVE else manifest_of(uri)).digest
        found[name] = uri
    return found


def require_test_rows(evidence: Evidence) -> None:
    """Raise Refused unless the report rests on the bytes of the test rows as they stand in the run's dataset."""
    path, judged = (
        test_file(here(evidence.artifacts["dataset"]), evidence.run.recipe),
        evidence.report.get("test_sha256"),
    )
    if not path.is_file() or judged != sha256_file(path):
        raise Refused(
            f"the report was made from other test rows ({str(judged)[:12]}) than those of {path}; start a new run"
        )


def differing(uri: str, facts: Mapping[str, str]) -> str:
    """In what an artifact differs from the one that was expected, for a message."""
    made = manifest_of(uri).made_from
    names = sorted(name for name in facts.keys() | made.keys() if facts.get(name) != made.get(name))
    return f"{', '.join(names)} differ" if names else "it lies elsewhere"


def same_champion(held: Champion | None, compared: str | None) -> Opponent | None:
    """The champion whose digest the report compared with. Raises Refused unless it still is the champion."""
    if (held.digest if held else None) != compared:
        raise Refused(
            f"the champion is {f'version {held.version}' if held else 'nobody'} now, but the report compared with "
            f"{f'another model ({compared[:12]})' if compared else 'nobody'}; start a new run"
        )
    return Opponent(version=held.version, digest=held.digest) if held else None


def assemble(
    evidence: Evidence, verdicts: list[Verdict], opponent: Opponent | None, tracked: Tracked, policy: str
) -> Dossier:
    """Put the evidence into one dossier."""
    run, artifacts = evidence.run, {RUN: evidence.run_uri, **evidence.artifacts}
    recipe = run.recipe.model_dump(mode="json")
    sources = {name: Source(uri=uri, digest=manifest_of(uri).digest) for name, uri in sorted(artifacts.items())}
    return Dossier(
        name=run.recipe.name,
        run_uri=evidence.run_uri,
        run_id=run.run_id,
        mlflow_run=tracked.run,
        mlflow_experiment=tracked.experiment,
        requested_by=run.requested_by,
        recipe=recipe,
        recipe_sha256=sha256_text(canonical(recipe)),
        policy_sha256=policy,
        dataset=DATASET,
        dataset_md5=run.dataset_md5,
        code_revision=run.code_revision,
        lock_sha256=run.lock_sha256,
        base=sources["base"],
        model=Model(files=manifest_of(artifacts["tuned"]).files, **sources["tuned"].model_dump()),
        artifacts=sources,
        report={key: value for key, value in evidence.report.items() if key not in PICTURES},
        gates=tuple(verdicts),
        champion=opponent,
    )


def table(verdicts: list[Verdict]) -> str:
    """The gates as lines of text, aligned."""
    rows = [("outcome", "metric", "condition", "value", "why")]
    rows += [
        (v.outcome, v.metric, v.condition, "" if v.value is None else f"{v.value:.4f}", v.message) for v in verdicts
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join("  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[4]]) for row in rows)
