"""The review: what a reviewer reads, and what they answered, as Airflow recorded it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pipelines import dossier as dossiers
from pipelines.artifact import canonical
from pipelines.artifact_root import path_of, uri_of
from pipelines.champion import write_down
from pipelines.dossier import PACKET, Dossier, check_belonging, dossier_uri, write_synced
from pipelines.errors import Refused
from pipelines.policy import run_to_decide
from pipelines.run import Run
from pipelines.settings import Settings, read_settings
from pipelines.shared import brought, place

REVIEW = "review.json"


class Answer(BaseModel):
    """What Airflow recorded: who chose what, when and why, and the text they had before them."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    option: str
    reviewer: str
    reason: str
    at: datetime
    asked: str
    requester: str | None


class Review(BaseModel):
    """A decision about one dossier. It is final."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    dossier: str
    candidate: str
    decision: Literal["approved", "rejected"]
    reviewer: str
    reason: str
    decided_at: datetime
    requested_by: str
    dag_id: str
    run_id: str


def read_packet(uri: str) -> str:
    """The Markdown that the reviewer reads, for the dossier at `uri`."""
    settings = read_settings()
    folder = path_of(dossier_uri(Path(uri).name, settings), settings)
    return brought(folder / PACKET, settings).read_text(encoding="utf-8")


def dag_of(run: Run) -> str:
    """The DAG whose review decides about a run."""
    return f"train__{run.recipe.name}"


def record_review(run_uri: str, inputs: Mapping[str, str]) -> str:
    """Write down the answer that Airflow recorded, approval or refusal alike, and return the review's URI.

    `inputs`: candidate (models:/NAME-candidates/N) and dossier. Raises Refused when the dossier is of another run,
    and when nobody answered, or somebody who may not, or without a reason.
    """
    settings = read_settings()
    run = run_to_decide(run_uri, settings)
    dossier = dossiers.read(inputs["dossier"], settings)
    check_belonging(dossier, run_uri)
    review = decide(read_answer(dag_of(run), run.run_id, settings), run, dossier, inputs["candidate"])
    uri = write_review(review, settings)
    write_down(review.decision, dossier, facts(review, dossier), settings)
    show_in_mlflow(review, dossier, settings)
    print(f"{review.reviewer} {review.decision} dossier {review.dossier[:12]}: {review.reason}", flush=True)
    return uri


def read_answer(dag_id: str, run_id: str, settings: Settings) -> Answer:
    """Ask Airflow's API for the recorded answer; who may edit task states and XComs can forge those, but not this.

    Raises Refused when there is no recorded answer.
    """
    from pipelines.airflow_api import Airflow

    airflow = Airflow(settings, "promoter")
    asked = airflow.review(dag_id, run_id)
    if not (asked.response_received and asked.responded_by and asked.responded_at and asked.chosen_options):
        raise Refused(
            f"nobody has answered the review of {dag_id}, run {run_id}; a task marked as success is no answer"
        )
    return Answer(
        option=",".join(asked.chosen_options),
        reviewer=asked.responded_by.id,
        reason=str(asked.params_input.get("reason") or ""),
        at=asked.responded_at,
        asked=f"{asked.subject}\n{asked.body or ''}",
        requester=airflow.run(dag_id, run_id).triggering_user_name,
    )


def decide(answer: Answer, run: Run, dossier: Dossier, candidate: str) -> Review:
    """Turn a recorded answer into a review of exactly this dossier. Raises Refused saying what is wrong with it."""
    who, seal = answer.reviewer, dossier.sha256
    if who not in run.recipe.review.reviewers:
        raise Refused(
            f"{who} answered, but may not review {dossier.name}: {', '.join(run.recipe.review.reviewers)} may"
        )
    if who in (dossier.requested_by, answer.requester):
        raise Refused(f"{who} asked for this run and may not review it; another reviewer must")
    if not answer.reason.strip():
        raise Refused(f"{who} answered {answer.option!r} without a reason; clear the review task and answer with one")
    if seal not in answer.asked:
        raise Refused(f"what {who} answered was not about dossier {seal[:12]}: its seal does not stand in the request")
    if answer.option not in ("Approve", "Reject"):
        raise Refused(f"{who} chose {answer.option!r}; a review is answered with Approve or Reject")
    return Review(
        dossier=seal,
        candidate=candidate,
        decision="approved" if answer.option == "Approve" else "rejected",
        reviewer=who,
        reason=answer.reason.strip(),
        decided_at=answer.at,
        requested_by=dossier.requested_by,
        dag_id=dag_of(run),
        run_id=run.run_id,
    )


def review_uri(seal: str, settings: Settings) -> str:
    """Where the review of a dossier lies."""
    return uri_of(Path(settings.artifacts) / "reviews" / Path(dossier_uri(seal, settings)).name, settings)


def write_review(review: Review, settings: Settings) -> str:
    """Put a review in place at once. Raises Refused when another decision already stands: decisions are final."""
    uri = review_uri(review.dossier, settings)
    path = path_of(uri, settings) / REVIEW
    if brought(path, settings).exists() and (before := read_review(uri, settings)) != review:
        raise Refused(
            f"{before.reviewer} {before.decision} dossier {review.dossier[:12]} at {before.decided_at:%Y-%m-%d %H:%M}; "
            "a decision is final: start a new run for another"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{REVIEW}.part")
    write_synced(part, canonical(review.model_dump(mode="json")))
    place(part, path, settings)
    return uri


def read_review(uri: str, settings: Settings) -> Review:
    """The review at a URI. Raises Refused when it lies elsewhere than its dossier says, or is none."""
    path = path_of(uri, settings)
    if uri_of(path, settings) != review_uri(path.name, settings) or not brought(path / REVIEW, settings).is_file():
        raise Refused(f"{uri} is not a recorded review; run record_review again")
    review = Review.model_validate_json((path / REVIEW).read_bytes())
    if review.dossier != path.name:
        raise Refused(f"{path / REVIEW} is about another dossier, {review.dossier[:12]}")
    return review


def facts(review: Review, dossier: Dossier) -> dict[str, str]:
    """What the ledger keeps of a review."""
    kept = review.model_dump(mode="json", include={"candidate", "reviewer", "reason", "decided_at", "requested_by"})
    return {**kept, "digest": dossier.model.digest, "run_id": dossier.run_id}


def show_in_mlflow(review: Review, dossier: Dossier, settings: Settings) -> None:
    """Tag the MLflow run with the decision; a rejected candidate is no challenger any more."""
    from pipelines import registry
    from pipelines.tracking import connect

    client = connect(settings)
    for key in ("decision", "reviewer", "reason"):
        client.set_tag(dossier.mlflow_run, f"review.{key}", getattr(review, key)[:5000])
    if review.decision == "rejected":
        registry.clear_challenger(dossier.name, review.candidate, settings)
