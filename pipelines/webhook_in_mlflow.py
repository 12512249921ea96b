"""The webhook in MLflow by which it tells Airflow of changes in its registry: made, or brought up to date."""

from __future__ import annotations

from typing import Any

import httpx

from pipelines.errors import ScriptoriumError
from pipelines.settings import Settings
from pipelines.webhook import PLACE, secret_of

NAME = "scriptorium-reconcile"
# Of what MLflow tells, that which can put another model before an application. It tells of no deleted version or model,
# and of no tag of a model: those are found by the run every five minutes.
EVENTS = (("MODEL_VERSION_ALIAS", "CREATED"), ("MODEL_VERSION_ALIAS", "DELETED"), ("MODEL_VERSION", "CREATED"))
API = "/api/2.0/mlflow/webhooks"


class Webhooks:
    """MLflow's REST API for webhooks; where MLflow has users, it is its administrator's. mlflow takes 5 s to import."""

    def __init__(self, settings: Settings, administrator: tuple[str, str] | None = None) -> None:
        self._settings = settings
        self._client = httpx.Client(base_url=settings.mlflow_url, auth=administrator, timeout=60, trust_env=False)

    def ensure(self) -> str:
        """Have MLflow tell this Airflow, with this machine's secret; returns the webhook's id."""
        wanted = {
            "name": NAME,
            "url": self._settings.airflow_url.rstrip("/") + PLACE,
            "events": [{"entity": entity, "action": action} for entity, action in EVENTS],
            "description": "wakes the DAG reconcile; made by infra/mlflow_webhooks.py",
            "secret": secret_of(self._settings),
            "status": "ACTIVE",
        }
        # MLflow shows no secret, so that an old one cannot be told from today's: it is written each time.
        found = self._found()
        answer = self._call("PATCH", f"/{found}", wanted) if found else self._call("POST", "", wanted)
        return str(answer["webhook"]["webhook_id"])

    def require_heard(self, webhook_id: str) -> str:
        """Have MLflow send an example, and return what Airflow answered. Raises ScriptoriumError when it refused."""
        result = self._call("POST", f"/{webhook_id}/test", {})["result"]
        told = result.get("response_body") or result.get("error_message") or "nothing"
        if not result.get("success"):
            status = result.get("response_status", "no answer")
            raise ScriptoriumError(f"MLflow's message to Airflow came to {status}: {told[:300]}")
        return str(told)

    def _found(self) -> str | None:
        page = ""
        while True:
            answer = self._call("GET", "", {"max_results": 100} | ({"page_token": page} if page else {}))
            for one in answer.get("webhooks", []):
                if one["name"] == NAME:
                    return str(one["webhook_id"])
            if not (page := answer.get("next_page_token", "")):
                return None

    def _call(self, method: str, path: str, values: dict[str, Any]) -> dict[str, Any]:
        given: dict[str, Any] = {"params": values} if method == "GET" else {"json": values}
        try:
            answer = self._client.request(method, API + path, **given)
        except httpx.TransportError as error:
            raise ScriptoriumError(f"MLflow does not answer on {self._settings.mlflow_url} ({error})") from None
        if answer.is_error:
            # The request holds the secret; MLflow repeats none of it.
            raise ScriptoriumError(f"MLflow answers {method} {API} with {answer.status_code}: {answer.text[:300]}")
        return dict(answer.json())
