"""The decision about a dossier: whose recorded answers count, how many it takes, and what they come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pipelines import recipe
from pipelines.dossier import Dossier
from pipelines.errors import Refused
from pipelines.judgements import Said
from pipelines.run import Run

# The tasks of a training DAG that ask a person, in their order.
REVIEWS = ("review", "second_review")
OPTIONS = ("Approve", "Reject")


class Answer(BaseModel):
    """What Airflow recorded: who chose what, when and why, and the text they had before them."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    option: str
    reviewer: str
    reason: str
    at: datetime
    asked: str
    requester: str | None


class Given(BaseModel):
    """What one reviewer answered, and what they had said of the blind examples before."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    reviewer: str
    reason: str
    decided_at: datetime
    judged: dict[str, Said] = {}


class Review(Given):
    """A decision about one dossier, with the answer that had the last word. It is final."""

    dossier: str
    candidate: str
    decision: Literal["approved", "rejected"]
    requested_by: str
    dag_id: str
    run_id: str
    # The approval before the last word, where it takes two.
    first: Given | None = None

    @property
    def given(self) -> tuple[Given, ...]:
        """The answers, in their order."""
        return (self.first, self) if self.first else (self,)

    @property
    def reviewers(self) -> str:
        """Who approved, or who rejected, by name."""
        return " and ".join(one.reviewer for one in self.given) if self.decision == "approved" else self.reviewer


def dag_of(run: Run) -> str:
    """The DAG whose review decides about a run."""
    return f"train__{run.recipe.name}"


def approvals_needed(rules: recipe.Review, *, first_release: bool) -> int:
    """How many people must approve: more where no champion says what is good enough."""
    return max(rules.approvals, rules.approvals_for_first_release) if first_release else rules.approvals


def needed_of(dossier: Dossier, run: Run) -> int:
    """How many people must approve a dossier, by the rules of the run."""
    return approvals_needed(run.recipe.review, first_release=dossier.champion is None)


def decide(answers: Sequence[Answer], run: Run, dossier: Dossier, candidate: str) -> Review:
    """Turn recorded answers into a review of exactly this dossier. Raises Refused saying what is wrong with them."""
    for answer in answers:
        check(answer, run, dossier)
    if len({answer.reviewer for answer in answers}) < len(answers):
        raise Refused(f"{answers[0].reviewer} answered twice; a second approval is another reviewer's to give")
    last, needed = answers[-1], needed_of(dossier, run)
    approved = all(answer.option == "Approve" for answer in answers)
    if approved and len(answers) < needed:
        why = "the first release" if dossier.champion is None else "a release"
        raise Refused(
            f"{why} of {dossier.name} takes {needed} approvals, and only {last.reviewer} has given one; "
            f"a task marked as success is no answer. Clear {REVIEWS[1]}, so that another reviewer is asked"
        )
    return Review(
        dossier=dossier.sha256,
        candidate=candidate,
        decision="approved" if approved else "rejected",
        requested_by=dossier.requested_by,
        dag_id=dag_of(run),
        run_id=run.run_id,
        first=_given(answers[0]) if len(answers) > 1 else None,
        **dict(_given(last)),
    )


def check(answer: Answer, run: Run, dossier: Dossier) -> None:
    """Refuse an answer that does not count: by whom, without a reason, about something else."""
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
    if answer.option not in OPTIONS:
        raise Refused(f"{who} chose {answer.option!r}; a review is answered with Approve or Reject")


def with_judged(review: Review, judged: Mapping[str, Mapping[str, Said]]) -> Review:
    """The review with what each of its reviewers judged; of who is not named, nothing."""
    first = review.first and review.first.model_copy(update={"judged": dict(judged.get(review.first.reviewer, {}))})
    return review.model_copy(update={"judged": dict(judged.get(review.reviewer, {})), "first": first})


def _given(answer: Answer) -> Given:
    return Given(reviewer=answer.reviewer, reason=answer.reason.strip(), decided_at=answer.at)
