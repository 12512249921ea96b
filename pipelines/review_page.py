"""The page that a reviewer decides on: the evidence of a dossier, and its blind examples, in English or Chinese."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipelines import dossier as dossiers
from pipelines import judgements
from pipelines.artifact import read_json
from pipelines.decision import needed_of
from pipelines.dossier import Dossier, whole
from pipelines.errors import Refused, near_miss
from pipelines.judgements import Choice, Judgements, Said
from pipelines.mirror import here
from pipelines.packet_suites import moved_slices
from pipelines.page import TEMPLATES, render
from pipelines.policy import run_to_decide
from pipelines.run import Run
from pipelines.settings import Settings
from pipelines.side_by_side import in_random_order, sides
from pipelines.tracked_trainings import Tracked
from pipelines.tracking import run_page
from pipelines.verdict import slice_name

LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class Reviewed:
    """A dossier before a reviewer: what they may do with it, and what they have said of its examples."""

    dossier: Dossier
    reviewer: str
    why_not: str  # why this user may not decide; empty when they may
    approvals: int  # how many people must approve
    examples: list[Mapping[str, Any]]
    said: Judgements


def before(seal: str, reviewer: str, settings: Settings) -> Reviewed:
    """What a user has before them. Raises Refused for a dossier that is not there or is not whole."""
    dossier = dossiers.read(dossiers.dossier_uri(seal, settings), settings)
    source = dossier.artifacts["report"]
    if whole(source.uri).digest != source.digest:
        raise Refused(f"{source.uri} is not the report that the dossier names: its digest differs")
    report = read_json(here(source.uri) / "report.json")
    examples = in_random_order(seal, report.get("differing") or [])
    run, said = run_to_decide(dossier.run_uri, settings), judgements.read(seal, reviewer, settings)
    return Reviewed(dossier, reviewer, why_not(dossier, reviewer, run), needed_of(dossier, run), examples, said)


def why_not(dossier: Dossier, reviewer: str, run: Run) -> str:
    """Why a user may not decide about a dossier; empty when they may."""
    allowed = run.recipe.review.reviewers
    if reviewer not in allowed:
        return f"{reviewer} may not review {dossier.name}; {', '.join(allowed)} may"
    if reviewer == dossier.requested_by:
        return f"{reviewer} asked for this run; another reviewer must decide"
    return ""


def page(reviewed: Reviewed, language: str, answered: str, settings: Settings) -> str:
    """The page as HTML. `answered`: what was decided already, if anything."""
    if language not in LANGUAGES:
        raise Refused(f"language {language!r}: {near_miss(language, LANGUAGES)}")
    dossier, report = reviewed.dossier, reviewed.dossier.report
    mlflow = run_page(Tracked(dossier.mlflow_run, dossier.mlflow_experiment), settings)
    return render(
        "review.html",
        words=tomllib.loads((TEMPLATES / "review_words.toml").read_text(encoding="utf-8"))[language],
        language=language,
        dossier=dossier,
        seal=dossier.sha256,
        report=report,
        slices=moved_slices(report),
        slice_name=slice_name,
        examples=blind(reviewed),
        dag=f"train__{dossier.name}",
        why_not=reviewed.why_not,
        approvals=reviewed.approvals,
        reviewer=reviewed.reviewer,
        answered=answered,
        full_report=f"{mlflow}/artifacts/report.html",
    )


def blind(reviewed: Reviewed) -> list[dict[str, Any]]:
    """The examples without a word of whose answer is whose, and what this reviewer said of each before."""
    return [_blind(example, reviewed, number) for number, example in enumerate(reviewed.examples)]


def judge(reviewed: Reviewed, number: int, choice: Choice, settings: Settings) -> Judgements:
    """Keep what the reviewer said of one example, by the sides that they saw. Raises Refused for who may not."""
    if reviewed.why_not:
        raise Refused(reviewed.why_not)
    if not 0 <= number < len(reviewed.examples):
        raise Refused(f"there is no example {number}; there are {len(reviewed.examples)}, from 0")
    seal, example = reviewed.dossier.sha256, str(reviewed.examples[number]["id"])
    said = _meant(choice, sides(seal, example))
    return judgements.keep(seal, reviewed.reviewer, {example: said}, datetime.now(UTC), settings)


def _meant(choice: Choice, shown: tuple[str, str]) -> Said:
    told: dict[str, Any] = {"a": shown[0], "b": shown[1], "same": "same", "both_bad": "both_bad"}
    found: Said = told[choice]
    return found


def _blind(example: Mapping[str, Any], reviewed: Reviewed, number: int) -> dict[str, Any]:
    shown = sides(reviewed.dossier.sha256, str(example["id"]))
    said = reviewed.said.said.get(str(example["id"]))
    choices = {_meant(choice, shown): choice for choice in ("a", "b", "same", "both_bad")}
    return {
        "number": number,
        "input": {name: _plain(value) for name, value in example["input"].items()},
        "a": _plain(example[shown[0]]),
        "b": _plain(example[shown[1]]),
        "said": choices[said] if said else "",
    }


def _plain(value: Any) -> str:
    """A value of a row as a person reads it: messages as lines, labels with commas between."""
    if isinstance(value, list):
        messages = [f"{one['role']}: {one['content']}" if isinstance(one, Mapping) else str(one) for one in value]
        return ("\n" if any(isinstance(one, Mapping) for one in value) else ", ").join(messages)
    return str(value)
