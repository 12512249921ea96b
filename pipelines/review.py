"""The review: what a reviewer reads, and what they answered, as Airflow recorded it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipelines import dossier as dossiers
from pipelines import judgements
from pipelines.airflow_records import Review as Asked
from pipelines.artifact import canonical
from pipelines.artifact_root import path_of, uri_of
from pipelines.champion import write_down
from pipelines.decision import REVIEWS, Answer, Review, dag_of, decide, needed_of, with_judged
from pipelines.dossier import Dossier, check_belonging, dossier_uri, whole, write_synced
from pipelines.errors import Refused
from pipelines.judgements import Said, tally
from pipelines.policy import run_to_decide
from pipelines.run import Run
from pipelines.settings import Settings, read_settings
from pipelines.shared import brought, place

REVIEW = "review.json"
# What the ledger keeps of each answer.
ANSWERED = {"reviewer", "reason", "decided_at"}


def read_packet(uri: str) -> str:
    """The Markdown that the reviewer reads, for the dossier at `uri`: made of what is sealed, and kept nowhere.

    Raises Refused for a dossier or a report that is not what the seal names: an approval is of what was read.
    """
    from pipelines.packet import packet

    settings = read_settings()
    dossier = dossiers.read(dossier_uri(Path(uri).name, settings), settings)
    report = dossier.artifacts["report"]
    if whole(report.uri).digest != report.digest:
        raise Refused(f"{report.uri} is not the report that the dossier names: its digest differs")
    return packet(dossier, settings)


def takes_two(uri: str) -> bool:
    """Whether the dossier at `uri` takes the approvals of two people, by the rules of today."""
    settings = read_settings()
    dossier = dossiers.read(uri, settings)
    return needed_of(dossier, run_to_decide(dossier.run_uri, settings)) > 1


def record_review(run_uri: str, inputs: Mapping[str, str]) -> str:
    """Write down the answers that Airflow recorded, approval or refusal alike, and return the review's URI.

    `inputs`: candidate (models:/NAME-candidates/N) and dossier. Raises Refused when the dossier is of another run,
    and when too few answered, or somebody who may not, or without a reason.
    """
    settings = read_settings()
    run = run_to_decide(run_uri, settings)
    dossier = dossiers.read(inputs["dossier"], settings)
    check_belonging(dossier, run_uri)
    answers = read_answers(run, dossier, settings)
    review = with_judgements(decide(answers, run, dossier, inputs["candidate"]), settings)
    uri = write_review(review, settings)
    write_down(review.decision, dossier, facts(review, dossier), settings)
    show_in_mlflow(review, dossier, settings)
    print(f"{review.reviewers} {review.decision} dossier {review.dossier[:12]}: {review.reason}", flush=True)
    return uri


def with_judgements(review: Review, settings: Settings) -> Review:
    """The review with what its reviewers judged; what was written down once stays."""
    if before := recorded(review.dossier, settings):
        return with_judged(review, {one.reviewer: one.judged for one in before.given})
    found = {
        one.reviewer: judgements.read(review.dossier, one.reviewer, settings).until(one.decided_at)
        for one in review.given
    }
    return with_judged(review, found)


def read_answers(run: Run, dossier: Dossier, settings: Settings) -> list[Answer]:
    """Ask Airflow's API for the recorded answers; who may edit task states and XComs can forge those, but not these.

    Of two that are needed the second is not looked for when the first is no approval. Raises Refused when nobody
    has answered at all.
    """
    from pipelines.airflow_api import Airflow

    airflow, dag_id = Airflow(settings, "promoter"), dag_of(run)
    asked, requester = airflow.reviews(dag_id, run.run_id), airflow.run(dag_id, run.run_id).triggering_user_name
    found: list[Answer] = []
    for task in REVIEWS[: needed_of(dossier, run)]:
        one = answered(asked[task], requester) if task in asked else None
        if one:
            found.append(one)
        if one is None or one.option != "Approve":
            break
    if not found:
        raise Refused(
            f"nobody has answered the review of {dag_id}, run {run.run_id}; a task marked as success is no answer"
        )
    return found


def answered(asked: Asked, requester: str | None) -> Answer | None:
    """The answer to one request as Airflow recorded it; None while there is none. Raises Refused for a nobody's."""
    if not (asked.response_received and asked.responded_at and asked.chosen_options):
        return None
    if asked.responded_by is None:
        chosen = ",".join(asked.chosen_options)
        raise Refused(f"Airflow answered {chosen!r} itself, as when the time is out; only a person's answer counts")
    return Answer(
        option=",".join(asked.chosen_options),
        # By name, as Airflow names who triggered a run: the id of its FAB users is a number.
        reviewer=asked.responded_by.name,
        reason=str(asked.params_input.get("reason") or ""),
        at=asked.responded_at,
        asked=f"{asked.subject}\n{asked.body or ''}",
        requester=requester,
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


def recorded(seal: str, settings: Settings) -> Review | None:
    """The decision about a dossier; None while there is none."""
    uri = review_uri(seal, settings)
    return read_review(uri, settings) if brought(path_of(uri, settings) / REVIEW, settings).is_file() else None


def facts(review: Review, dossier: Dossier) -> dict[str, str]:
    """What the ledger keeps of a review."""
    kept = review.model_dump(mode="json", include={"candidate", "requested_by", *ANSWERED})
    first = review.first.model_dump(mode="json", include=ANSWERED) if review.first else {}
    told = {f"first_{key}": value for key, value in first.items()}
    if said := judged_by_all(review):
        told["judged"] = str(tally(said))
    return {**kept, **told, "digest": dossier.model.digest, "run_id": dossier.run_id}


def judged_by_all(review: Review) -> list[Said]:
    """What the reviewers said of the blind examples, one after the other."""
    return [said for one in review.given for said in one.judged.values()]


def show_in_mlflow(review: Review, dossier: Dossier, settings: Settings) -> None:
    """Tag the MLflow run with the decision; a rejected candidate is no challenger any more."""
    from pipelines import registry
    from pipelines.tracking import connect

    client = connect(settings)
    told = {"decision": review.decision, "reviewer": review.reviewers}
    told["reason"] = "\n".join(one.reason for one in review.given)[:5000]
    if said := judged_by_all(review):
        told["judged"] = str(tally(said))
    for key, value in told.items():
        client.set_tag(dossier.mlflow_run, f"review.{key}", value)
    if review.decision == "rejected":
        registry.clear_challenger(dossier.name, review.candidate, settings)
