"""The step that decides: gather the evidence, judge it, seal it, and refuse by name what did not pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.artifact import canonical, read_json, read_manifest, sha256_text, verify
from pipelines.dossier import Dossier, Model, Opponent, Source, refuse_unless_passed, write
from pipelines.errors import Refused, ScriptoriumError
from pipelines.gates import Verdict, judge
from pipelines.packet import packet
from pipelines.registry import Champion, champion
from pipelines.run import Run, read_run
from pipelines.settings import read_settings
from pipelines.steps import STEPS, made_from
from pipelines.tracking import DATASET, Tracked, record_run

# Parts of the report that are for looking at, not for deciding; they stay in the report's own artifact.
PICTURES = ("curves", "examples", "calibration")


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
    settings, run = read_settings(), read_run(run_uri)
    artifacts = artifacts_of(inputs["report"], run)
    evidence = Evidence(run_uri, run, artifacts, read_json(Path(inputs["report"]) / "report.json"))
    opponent = same_champion(champion(run.recipe.name, settings), artifacts.get("champion"))
    tracked = record_run(run_uri, run, artifacts, evidence.report, settings)
    verdicts = judge(run.recipe.gates, evidence.report)
    dossier = assemble(evidence, verdicts, opponent, tracked)
    uri = write(dossier, packet(dossier, settings), settings)
    print(table(verdicts), f"dossier: {uri}", sep="\n", flush=True)
    refuse_unless_passed(verdicts)
    return uri


def artifacts_of(report_uri: str, run: Run) -> dict[str, str]:
    """The artifacts that a report rests on, by name, each checked to be whole and made by this run's own settings.

    Raises Refused for a report of another recipe, dataset, seed, lock or code.
    """
    report = _whole(report_uri)
    found = {"report": report_uri, **report.parents}
    if missing := {"base", "tuned"} - set(found):
        raise Refused(f"{report_uri} does not say which {min(missing)} model it is about; run evaluate again")
    for name, uri in found.items():
        manifest = _whole(uri) if name in ("tuned", "report") else read_manifest(uri)
        if name != "report" and report.made_from.get(f"input.{name}") != manifest.digest:
            raise Refused(f"{uri} is not the {name} that the report looked at: its digest differs")
        if name != "champion":
            _made_by(uri, run)
    return found | {n: u for n, u in read_manifest(found["base"]).parents.items() if n == "validation"}


def same_champion(held: Champion | None, compared: str | None) -> Opponent | None:
    """The champion that the report compared with. Raises Refused unless it still is the champion, byte for byte."""
    digest = read_manifest(compared).digest if compared else None
    if (held.digest if held else None) != digest:
        raise Refused(
            f"the champion is {f'version {held.version}' if held else 'nobody'} now, but the report compared with "
            f"{f'another model ({digest[:12]})' if digest else 'nobody'}; start a new run"
        )
    return Opponent(version=held.version, digest=held.digest) if held else None


def assemble(evidence: Evidence, verdicts: list[Verdict], opponent: Opponent | None, tracked: Tracked) -> Dossier:
    """Put the evidence into one dossier."""
    run, artifacts = evidence.run, evidence.artifacts
    recipe = run.recipe.model_dump(mode="json")
    sources = {name: Source(uri=uri, digest=read_manifest(uri).digest) for name, uri in sorted(artifacts.items())}
    return Dossier(
        name=run.recipe.name,
        run_uri=evidence.run_uri,
        run_id=run.run_id,
        mlflow_run=tracked.run,
        mlflow_experiment=tracked.experiment,
        requested_by=run.requested_by,
        recipe=recipe,
        recipe_sha256=sha256_text(canonical(recipe)),
        dataset=DATASET,
        dataset_md5=run.dataset_md5,
        code_revision=run.code_revision,
        lock_sha256=run.lock_sha256,
        base=sources["base"],
        model=Model(files=read_manifest(artifacts["tuned"]).files, **sources["tuned"].model_dump()),
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


def _whole(uri: str) -> Any:
    try:
        return verify(uri)
    except ScriptoriumError as error:
        raise Refused(f"the evidence is not whole: {error}") from None


def _made_by(uri: str, run: Run) -> None:
    """Refuse an artifact that the run's own recipe, data, seed, lock and code would not have made."""
    manifest = read_manifest(uri)
    if manifest.step not in STEPS:
        raise Refused(f"{uri} was made by {manifest.step!r}, which is no step")
    digests = {n.removeprefix("input."): d for n, d in manifest.made_from.items() if n.startswith("input.")}
    expected = made_from(manifest.step, run, digests)
    names = sorted(
        n for n in expected.keys() | manifest.made_from.keys() if expected.get(n) != manifest.made_from.get(n)
    )
    if names:
        raise Refused(f"{uri} was not made by this run: {', '.join(names)} differ; start a new run")
