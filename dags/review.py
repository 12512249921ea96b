"""The question to the reviewer: asked again after a crash, and over for good when its time has run out."""

from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import AirflowFailException


class Review(HITLOperator):
    """Airflow's human-in-the-loop task, whose retries are for lost machines only."""

    def process_trigger_event_error(self, event: dict[str, Any]) -> None:
        """End the run: to ask anew, as a retry would, is the requester's decision."""
        raise AirflowFailException(f"{event['error']} Start a new run to ask again.")
