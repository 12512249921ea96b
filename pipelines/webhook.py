"""MLflow's messages about its registry: which of them may be believed, and what they tell.

Whoever reaches Airflow can send one. MLflow signs with a secret that lies here and, encrypted, in MLflow's database.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from pipelines.errors import Refused, ScriptoriumError
from pipelines.registry import candidates
from pipelines.settings import Settings

PLACE = "/registry-webhook/mlflow"  # of dags/plugins/registry_webhook.py
DELIVERY, SENT, SIGNATURE = HEADERS = ("X-MLflow-Delivery-Id", "X-MLflow-Timestamp", "X-MLflow-Signature")
# MLflow tries for about ten seconds to deliver; the rest is for clocks. What is older was recorded and sent again.
HOLDS_S = 300
# A version is told with its description and tags, each of which may be as long as 100,000 characters.
LIMIT_BYTES = 1024 * 1024


class Message(BaseModel):
    """What MLflow tells: neither who did it, nor what was before."""

    entity: str
    action: str
    data: dict[str, Any]

    def __str__(self) -> str:
        told = (f"{key} {self.data[key]}" for key in ("name", "alias", "version") if key in self.data)
        return f"{self.entity}.{self.action}: {', '.join(told)}"

    @property
    def is_of_candidates(self) -> bool:
        """Whether it is about what a training may change at will; no ledger speaks of it."""
        return str(self.data.get("name", "")).endswith(candidates(""))


def delivery(headers: Mapping[str, str], body: bytes, secret: str, now: float) -> UUID:
    """The number of a message that MLflow signed, the same however often it is sent. Raises Refused for any other."""
    if missing := [name for name in HEADERS if not headers.get(name)]:
        raise Refused(f"the message has no header {missing[0]}; MLflow sends {', '.join(HEADERS)}")
    number, sent = headers[DELIVERY], headers[SENT]
    if not hmac.compare_digest(headers[SIGNATURE].encode(), signature(number, sent, body, secret).encode()):
        told = "its signature is not that of the secret which MLflow has"
        raise Refused(f"{told}: it is forged, was changed on its way, or the secret is a new one since")
    try:
        age, found = now - int(sent), UUID(number)
    except ValueError:
        raise Refused(f"{DELIVERY} {number[:80]!r} or {SENT} {sent[:80]!r} is not as MLflow sends it") from None
    if abs(age) > HOLDS_S:
        when = f"{age:.0f} s ago" if age > 0 else f"{-age:.0f} s from now"
        raise Refused(f"it was sent {when}, and holds for {HOLDS_S} s: it was recorded, or a clock is wrong")
    return found


def signature(number: str, sent: str, body: bytes, secret: str) -> str:
    """What MLflow writes under a message (mlflow/webhooks/delivery.py), as Standard Webhooks does."""
    digest = hmac.digest(secret.encode(), f"{number}.{sent}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"


def secret_file(settings: Settings) -> Path:
    """Where the secret lies, for its owner's eyes only."""
    return settings.home / "secrets" / "mlflow-webhook.txt"


def secret_of(settings: Settings) -> str:
    """The secret. Raises ScriptoriumError where there is none: without one, nothing could be believed."""
    path = secret_file(settings)
    found = path.read_text(encoding="utf-8").strip() if path.exists() else ""
    if not found:
        raise ScriptoriumError(f"there is no secret in {path}; `python -m infra.mlflow_webhooks` makes it")
    return found
