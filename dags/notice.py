"""Telling reviewers, by a connection of Airflow's that Apprise understands: e-mail, webhooks, chat services."""

from contextlib import suppress
from typing import Any

from airflow.providers.apprise.notifications.apprise import AppriseNotifier


class Notice(AppriseNotifier):
    """Airflow's notifier; one that fails is an error in the task's log, and no reason to end a run of hours."""

    def __call__(self, *args: Any) -> None:
        """Send it, or let Airflow's own class log why it could not be sent."""
        with suppress(Exception):
            super().__call__(*args)
