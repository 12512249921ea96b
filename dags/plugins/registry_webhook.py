"""MLflow's messages about its registry wake the DAG `reconcile`. No login: MLflow has none, and signs instead."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from airflow.api.common.trigger_dag import trigger_dag
from airflow.exceptions import DagNotFound, DagRunAlreadyExists
from airflow.models.dagrun import DagRun
from airflow.plugins_manager import AirflowPlugin
from airflow.sdk.timezone import utcnow
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from pipelines.errors import Refused, ScriptoriumError
from pipelines.settings import read_settings
from pipelines.webhook import LIMIT_BYTES, Message, delivery, secret_of

log = logging.getLogger(__name__)
app = FastAPI(title="Registry webhook", docs_url=None, redoc_url=None, openapi_url=None)
DAG = "reconcile"
# A promotion moves the alias, then writes the ledger: what is looked at between the two is undone. And what is
# registered gets its alias within a second: one look is enough for both.
SETTLED = timedelta(seconds=3)


@app.post("/mlflow")
async def told(request: Request) -> JSONResponse:
    """Believe a message or refuse it, and say which run will look at the registry."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LIMIT_BYTES:
            return refused(request, 413, f"it is longer than {LIMIT_BYTES} bytes")
    try:
        return JSONResponse(await run_in_threadpool(heard, request.headers, bytes(body)), status_code=202)
    except Refused as error:
        return refused(request, 401, str(error))
    except ValidationError as error:
        return refused(request, 400, f"it is no message of MLflow's: {error.error_count()} fields are not as they were")
    except (ScriptoriumError, DagNotFound) as error:
        return refused(request, 503, str(error))  # which MLflow tries again


def heard(headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    """What comes of a message. Raises Refused for one that MLflow did not send, or long ago."""
    number = delivery(headers, body, secret_of(read_settings()), time.time())
    message = Message.model_validate_json(body)
    if message.is_of_candidates:
        return {"detail": f"{message}: no ledger speaks of candidates"}
    return {"detail": str(message), "run": run_of(number, str(message))}


def run_of(number: UUID, why: str) -> str:
    """The run that will see what a message tells of: the message's own, or one that has yet to begin.

    A message that is sent again starts no second run, and many messages leave one run waiting behind the one that runs.
    """
    run_id, soon = f"webhook__{number}", utcnow() + SETTLED
    if DagRun.find_duplicate(dag_id=DAG, run_id=run_id):
        return run_id
    waiting = [run for run in DagRun.find(dag_id=DAG, state=DagRunState.QUEUED) if run.run_after <= soon]
    if waiting:
        return str(waiting[0].run_id)
    try:
        by = {"triggered_by": DagRunTriggeredByType.REST_API, "triggering_user_name": "mlflow"}
        trigger_dag(DAG, run_id=run_id, run_after=soon, note=why, **by)
    except DagRunAlreadyExists:
        log.info("%s was sent twice at once", number)
    return run_id


def refused(request: Request, status: int, why: str) -> JSONResponse:
    """Say why, here and in the log; nothing of the message itself but what a reason quotes."""
    sender = request.client.host if request.client else "nowhere"
    log.warning("a message about the registry from %s is refused: %s", sender, why)
    return JSONResponse({"detail": why}, status_code=status)


class RegistryWebhook(AirflowPlugin):
    """What Airflow loads."""

    name = "registry_webhook"
    fastapi_apps = [{"app": app, "url_prefix": "/registry-webhook", "name": "Registry webhook"}]  # noqa: RUF012
