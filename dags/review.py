"""The questions to reviewers: asked again after a crash, and over for good when their time has run out."""

from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from pipelines.errors import Refused
from pipelines.review import takes_two


class Review(HITLOperator):
    """Airflow's human-in-the-loop task, whose retries are for lost machines only."""

    def process_trigger_event_error(self, event: dict[str, Any]) -> None:
        """End the run: to ask anew, as a retry would, is the requester's decision."""
        raise AirflowFailException(f"{event['error']} Start a new run to ask again.")


class SecondReview(Review):
    """The same question to another reviewer, where it takes two approvals and the first has given theirs."""

    def execute(self, context: Any) -> Any:
        """Ask, or be skipped. XComs can be forged, but spare nobody: record_review counts what Airflow recorded."""
        first, dossier = (context["ti"].xcom_pull(task) for task in ("review", "check_gates"))
        if not first or first["chosen_options"] != ["Approve"] or not first["responded_by_user"]:
            raise AirflowSkipException("there is no first approval that a second could follow")
        try:
            if not takes_two(dossier):
                raise AirflowSkipException("one approval is enough for this release")
        except Refused as refused:
            raise AirflowFailException(str(refused)) from None
        others = [user for user in self.assigned_users if user["id"] != first["responded_by_user"]["id"]]
        if not others:
            # To Airflow an empty list means anybody.
            raise AirflowFailException("it takes a second approval, and nobody else is a reviewer of this recipe")
        self.assigned_users = others
        return super().execute(context)
