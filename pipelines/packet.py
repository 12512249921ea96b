"""The packet: what a reviewer reads in two minutes, as Markdown for Airflow's review form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.artifact import read_json
from pipelines.dossier import Dossier
from pipelines.markdown import cell, spread, table
from pipelines.mirror import here
from pipelines.packet_suites import SUITES
from pipelines.settings import Settings
from pipelines.tracked_trainings import Tracked
from pipelines.tracking import run_page
from pipelines.verdict import p_value

TEXTS = ("text_a", "text_b", "title", "text", "prompt", "document", "source", "question")


def packet(dossier: Dossier, settings: Settings) -> str:
    """Markdown: the verdict, the gates, the change, slices, changed texts, cases, examples, and where to look."""
    report = read_json(here(dossier.artifacts["report"].uri) / "report.json")
    parts = [
        f"**{verdict_line(dossier)}**",
        _about(dossier),
        "## Gates\n\n" + _gates(dossier),
        "## Change\n\n" + _change(dossier.report),
        *(f"## {title}\n\n{told(dossier.report)}" for key, title, told in SUITES if dossier.report.get(key)),
        "## Examples\n\n" + examples(unjudged(report)),
        "## Look closer\n\n" + _links(dossier, settings),
    ]
    return "\n\n".join(parts) + "\n"


def verdict_line(dossier: Dossier) -> str:
    """The decision in one sentence."""
    passed = sum(gate.passed for gate in dossier.gates)
    gates = (
        f"passes all {passed} gates"
        if passed == len(dossier.gates)
        else f"passes {passed} of {len(dossier.gates)} gates"
    )
    primary = dossier.report["primary"]
    score = spread(dossier.report["metrics"][primary], signed=False)
    return f"{dossier.name}: the candidate {gates}. {primary} {score}; {_against(dossier.report)}"


def examples(rows: Sequence[Mapping[str, Any]]) -> str:
    """The examples side by side: the text, the right answer, the candidate's and the champion's."""
    if not rows:
        return "None beside those of the review page."
    texts = ["asked"] if "asked" in rows[0] else [name for name in TEXTS if name in rows[0]]
    target = next(name for name in ("label", "labels", "reference") if name in rows[0])
    head = [*texts, target, "candidate", "champion"]
    return table(head, ([*(cell(row[name]) for name in (*texts, target)), *_answers(row)] for row in rows))


def unjudged(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The report's examples without those that are to be judged blind on the review page."""
    blind = {example["id"] for example in report.get("differing") or []}
    return [example for example in report["examples"] if example["id"] not in blind]


def _answers(row: Mapping[str, Any]) -> tuple[str, str]:
    return (
        _answer(row["prediction"], row.get("probability")),
        _answer(row.get("champion_prediction"), row.get("champion_probability")),
    )


def _answer(prediction: Any, probability: float | None) -> str:
    if prediction is None:
        return "-"
    return cell(prediction) + (f" ({probability:.2f})" if probability is not None else "")


def _about(dossier: Dossier) -> str:
    return (
        f"{_taught(dossier.report)}Asked for by {cell(dossier.requested_by)} · data `{dossier.dataset_md5}` · "
        f"code `{dossier.code_revision[:12]}` · model `{dossier.model.digest[:12]}`\n\n"
        f"Your answer is recorded for dossier `{dossier.sha256}`, and is final."
    )


def _taught(report: Mapping[str, Any]) -> str:
    """Whose student the candidate is, if anybody's."""
    if not (teacher := report.get("teacher")):
        return ""
    sizes = f"{teacher['parameters']:,} parameters learned from {teacher['teacher_parameters']:,}"
    return f"A student: {sizes}. It goes out in its teacher's place.\n\n"


def _gates(dossier: Dossier) -> str:
    rows = (
        (
            cell(g.metric),
            cell(g.condition),
            "" if g.value is None else f"{g.value:.4f}",
            f"**{g.outcome}**",
            cell(g.message),
        )
        for g in dossier.gates
    )
    return table(("metric", "condition", "value", "outcome", "why"), rows)


def _change(report: Mapping[str, Any]) -> str:
    """Every metric beside the champion's, and on the primary metric the difference from everything compared with."""
    held = (report.get("champion") or {"metrics": {}})["metrics"]
    scores = (
        (cell(name), spread(score, signed=False), spread(held.get(name), signed=False))
        for name, score in report["metrics"].items()
    )
    others = {"champion": report.get("champion"), "no continued pretraining": report.get("control")}
    others |= {"its teacher": report.get("teacher")}
    others |= {f"baseline {name}": value for name, value in (report.get("baselines") or {}).items()}
    rows = ((cell(name), _difference(other)) for name, other in others.items() if other)
    return (
        table(("metric", "candidate", "champion"), scores)
        + "\n\n"
        + table(("compared with", f"difference in {cell(report['primary'])}"), rows)
    )


def _difference(other: Mapping[str, Any]) -> str:
    """How far the candidate is from another model, or what that one has instead of the primary metric."""
    if other["difference"] is None:
        return "-, it has " + cell(", ".join(f"{name} {value:.4f}" for name, value in other["metrics"].items()))
    test = other.get("mcnemar")
    told = f"; won {test['won']:,}, lost {test['lost']:,}, McNemar's p {cell(p_value(test['p']))}" if test else ""
    return spread(other["difference"], signed=True) + told


def _against(report: Mapping[str, Any]) -> str:
    if not report.get("champion"):
        return "there is no champion yet."
    return f"{spread(report['champion']['difference'], signed=True)} against the champion."


def _links(dossier: Dossier, settings: Settings) -> str:
    page = run_page(Tracked(dossier.mlflow_run, dossier.mlflow_experiment), settings)
    report = f"{dossier.artifacts['report'].uri}/report.html"
    place = f"{settings.airflow_url}/review/train__{dossier.name}/{dossier.sha256}"
    return (
        f"- **[Review page]({place})**: the examples on which candidate and champion differ most, to be judged blind\n"
        f"- [Report with plots]({page}/artifacts/report.html), also in `{report}`\n"
        f"- [MLflow run]({page})\n"
        f"- Dossier: `{dossier.sha256}`"
    )
