"""Telling reviewers, by a connection of Airflow's that Apprise understands: e-mail, webhooks, chat services."""

from contextlib import suppress
from typing import Any

from airflow.providers.apprise.hooks.apprise import AppriseHook
from airflow.providers.apprise.notifications.apprise import AppriseNotifier
from apprise import Apprise

from pipelines.errors import ScriptoriumError


class Notice(AppriseNotifier):
    """Airflow's notifier; one that fails is an error in the task's log, and no reason to end a run of hours."""

    def __call__(self, *args: Any) -> None:
        """Send it, or let Airflow's own class log why it could not be sent."""
        with suppress(Exception):
            super().__call__(*args)

    def notify(self, context: Any) -> None:  # noqa: ARG002 - Airflow passes it
        """Send it."""
        send(self.apprise_conn_id, self.title or "", self.body)


def send(connection: str, title: str, body: str) -> None:
    """Hand a message to every service of a connection. Raises ScriptoriumError when one of them did not take it.

    Airflow's hook passes over Apprise's answer, which is how Apprise tells that a service is away.
    """
    hook, services = AppriseHook(connection), Apprise()
    hook.set_config_from_conn(hook.get_connection(connection), services)
    if not services.notify(body=body, title=title):
        raise ScriptoriumError(f"a service of the connection {connection} did not take the message")
