"""The packet: what a reviewer reads in two minutes, as Markdown for Airflow's review form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipelines.artifact import read_json
from pipelines.dossier import Dossier
from pipelines.mirror import here
from pipelines.settings import Settings
from pipelines.tracked_trainings import Tracked
from pipelines.tracking import run_page

WIDTH = 160
TEXTS = ("text_a", "text_b", "title", "text", "prompt", "document", "source", "question")
MARKUP = re.compile(r"([\\`*_\[\]<>|~!#&$])")


def packet(dossier: Dossier, settings: Settings) -> str:
    """Markdown: the verdict, the gates, the change against the champion, ten examples, and where to look closer."""
    report = read_json(here(dossier.artifacts["report"].uri) / "report.json")
    parts = [
        f"**{verdict_line(dossier)}**",
        _about(dossier),
        "## Gates\n\n" + _gates(dossier),
        "## Change\n\n" + _change(dossier.report),
        "## Ten examples\n\n" + examples(report["examples"]),
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
    score = _spread(dossier.report["metrics"][primary], signed=False)
    return f"{dossier.name}: the candidate {gates}. {primary} {score}; {_against(dossier.report)}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in GitHub's Markdown; the cells must be escaped already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell(value: Any) -> str:
    """A text as one table cell: one line, shortened, and nothing in it acts as markup."""
    told = (", ".join(map(str, value)) or "no label") if isinstance(value, list) else "" if value is None else value
    text = " ".join(str(told).split())
    short = text if len(text) <= WIDTH else text[: WIDTH - 1].rstrip() + "…"
    return MARKUP.sub(r"\\\1", short)


def examples(rows: Sequence[Mapping[str, Any]]) -> str:
    """The examples side by side: the text, the right answer, the candidate's and the champion's."""
    if not rows:
        return "The report holds none."
    texts = [name for name in TEXTS if name in rows[0]]
    target = next(name for name in ("label", "labels", "reference") if name in rows[0])
    head = [*texts, target, "candidate", "champion"]
    return table(head, ([*(cell(row[name]) for name in (*texts, target)), *_answers(row)] for row in rows))


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
        f"Asked for by {cell(dossier.requested_by)} · data `{dossier.dataset_md5}` · "
        f"code `{dossier.code_revision[:12]}` · model `{dossier.model.digest[:12]}`\n\n"
        f"Your answer is recorded for dossier `{dossier.sha256}`, and is final."
    )


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
        (cell(name), _spread(score, signed=False), _spread(held.get(name), signed=False))
        for name, score in report["metrics"].items()
    )
    others = {"champion": report.get("champion"), "no continued pretraining": report.get("control")}
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
    return _spread(other["difference"], signed=True)


def _against(report: Mapping[str, Any]) -> str:
    if not report.get("champion"):
        return "there is no champion yet."
    return f"{_spread(report['champion']['difference'], signed=True)} against the champion."


def _spread(score: Any, *, signed: bool) -> str:
    """A score with its interval where it has one: 0.7810 (0.7550 to 0.8040)."""
    plus = "+" if signed else ""
    if isinstance(score, Mapping) and score["low"] is None and score["value"] is not None:
        return f"{score['value']:{plus}.4f}"
    if isinstance(score, Mapping):
        ends = [score[end] for end in ("value", "low", "high")]
        if any(end is None for end in ends):
            return "-"
        value, low, high = ends
        return f"{value:{plus}.4f} ({low:{plus}.4f} to {high:{plus}.4f})"
    return "-" if score is None else f"{score:{plus}.4f}"


def _links(dossier: Dossier, settings: Settings) -> str:
    page = run_page(Tracked(dossier.mlflow_run, dossier.mlflow_experiment), settings)
    report = f"{dossier.artifacts['report'].uri}/report.html"
    return (
        f"- [Report with plots]({page}/artifacts/report.html), also in `{report}`\n"
        f"- [MLflow run]({page})\n"
        f"- Dossier: `{dossier.sha256}`"
    )
