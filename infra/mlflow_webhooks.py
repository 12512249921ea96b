"""Have MLflow tell Airflow when a version or an alias changes in its registry; may be run again at any time.

    MLFLOW_TRACKING_USERNAME=admin MLFLOW_TRACKING_PASSWORD=... python -m infra.mlflow_webhooks

Run it as the user of Airflow's API server, with its SCRIPTORIUM_HOME: the secret is made there, once, and read there.
To change it, delete HOME/secrets/mlflow-webhook.txt and run this again; MLflow signs with the new one within a minute.
SCRIPTORIUM_AIRFLOW_URL is the address by which MLflow reaches Airflow. An MLflow without users asks for no password.
"""

from __future__ import annotations

import os
import secrets
import sys

from pipelines.errors import ScriptoriumError
from pipelines.settings import read_settings
from pipelines.stack import ensure_secret
from pipelines.webhook import secret_file
from pipelines.webhook_in_mlflow import EVENTS, Webhooks


def main() -> None:
    """Make the secret and the webhook, have MLflow send an example, and say what came of it."""
    settings = read_settings()
    ensure_secret(secret_file(settings), secrets.token_urlsafe(32))
    name, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    webhooks = Webhooks(settings, (name, password) if name and password else None)
    heard = webhooks.require_heard(webhooks.ensure())
    told = ", ".join(f"{entity}.{action}".lower() for entity, action in EVENTS)
    print(f"{settings.mlflow_url} tells {settings.airflow_url} of {told}; its example came to: {heard}")


if __name__ == "__main__":
    try:
        main()
    except ScriptoriumError as error:
        print(f"{error.word}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
