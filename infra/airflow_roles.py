"""Airflow users and roles under FAB: who reviews can answer and nothing else, who trains can do all but answer.

    AIRFLOW_ADMIN_USERNAME=... AIRFLOW_ADMIN_PASSWORD=... python -m infra.airflow_roles

Run it once after the first start with FAB ([core] auth_manager, see docs/identities.md), and after every new user in
[users] of infra/services.toml. Passwords are made where there are none, and lie in HOME/secrets/airflow-passwords.json.
FAB knows users by number: the numbers go to SCRIPTORIUM_IDENTITIES/airflow-ids.json, where the DAGs find them.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import tomllib
from typing import Any

import httpx

from pipelines.errors import Refused, ScriptoriumError
from pipelines.identity import AIRFLOW_IDS
from pipelines.settings import Settings, read_settings
from pipelines.stack import INFRA, ensure_passwords

API = "/auth/fab/v1"
# What services.toml calls a role, for SimpleAuthManager, and what that is under FAB.
ROLES = {"admin": "Admin", "op": "Engineer", "user": "Reviewer", "viewer": "Viewer"}
# Beside what FAB's Viewer may. Airflow asks for can_edit DAGs before anything below a DAG may be changed; alone it only
# lets a DAG be paused.
BESIDE = {
    "Reviewer": [("can_edit", "DAGs"), ("can_edit", "HITL Detail"), ("menu_access", "HITL Detail")],
    "Engineer": [
        ("can_edit", "DAGs"),
        ("can_create", "DAG Runs"),
        ("can_edit", "DAG Runs"),
        ("can_create", "Task Instances"),
        ("can_edit", "Task Instances"),
        ("can_create", "Assets"),
    ],
}
MAY = {
    "Reviewer": "answer a review they are asked for; pause a DAG",
    "Engineer": "trigger, clear and mark runs and tasks; pause a DAG; record new data",
    "Viewer": "look",
    "Admin": "everything in Airflow, and no more than anybody else before promotion",
}


class Admin:
    """FAB's REST API, as an administrator."""

    def __init__(self, url: str) -> None:
        try:
            name, password = os.environ["AIRFLOW_ADMIN_USERNAME"], os.environ["AIRFLOW_ADMIN_PASSWORD"]
        except KeyError as missing:
            raise Refused(f"{missing.args[0]} is not set; it takes an administrator of Airflow") from None
        self._client = httpx.Client(base_url=url, timeout=60, trust_env=False)
        if (token := self.token(name, password)) is None:
            raise Refused(f"Airflow on {url} does not accept the password of {name}")
        self._client.headers["Authorization"] = f"Bearer {token}"

    def token(self, name: str, password: str) -> str | None:
        """Log somebody in; None when the password is not theirs."""
        answer = self._client.post("/auth/token", json={"username": name, "password": password})
        return str(answer.json()["access_token"]) if answer.is_success else None

    def call(self, method: str, path: str, body: Any = None, **query: str) -> dict[str, Any] | None:
        """What Airflow answers; None for what is not there."""
        answer = self._client.request(method, API + path, json=body, params=query)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if answer.is_error:
            raise ScriptoriumError(f"Airflow answers {method} {path} with {answer.status_code}: {answer.text[:300]}")
        return dict(answer.json()) if answer.content else {}


def ensure_role(admin: Admin, role: str) -> None:
    """Make a role, or give it exactly what it is to have."""
    viewer = (admin.call("GET", "/roles/Viewer") or {})["actions"]
    own = [{"action": {"name": action}, "resource": {"name": resource}} for action, resource in BESIDE[role]]
    body = {"name": role, "actions": viewer + own}
    if admin.call("GET", f"/roles/{role}") is None:
        admin.call("POST", "/roles", body)
    else:
        admin.call("PATCH", f"/roles/{role}", body, update_mask="actions")


def ensure_user(admin: Admin, name: str, role: str, password: str) -> str:
    """Make a user, or give them their role and the password in the file; returns their number."""
    roles = [{"name": role}]
    if (found := admin.call("GET", f"/users/{name}")) is None:
        who = {"username": name, "first_name": name, "last_name": name, "email": f"{name}@localhost"}
        admin.call("POST", "/users", {**who, "roles": roles, "password": password})
    elif found["roles"] != roles:
        admin.call("PATCH", f"/users/{name}", {"roles": roles}, update_mask="roles")
    if (token := admin.token(name, password)) is None:
        admin.call("PATCH", f"/users/{name}", {"password": password}, update_mask="password")
        token = admin.token(name, password)
    if token is None:
        raise ScriptoriumError(f"Airflow accepts no password of {name}; is the user inactive?")
    return number_in(token)


def number_in(token: str) -> str:
    """Whom a token is about: FAB's API does not tell users' numbers."""
    payload = token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"])


def main(settings: Settings) -> None:
    """Make roles and users, write down the users' numbers, and print who may what."""
    if settings.identities is None:
        raise Refused("SCRIPTORIUM_IDENTITIES is not set; the users' numbers go into that folder, for the DAGs")
    admin = Admin(settings.airflow_url)
    users: dict[str, str] = tomllib.loads((INFRA / "services.toml").read_text(encoding="utf-8"))["users"]
    passwords = ensure_passwords(settings.passwords, users)
    for role in BESIDE:
        ensure_role(admin, role)
    numbers = {name: ensure_user(admin, name, ROLES[role], passwords[name]) for name, role in users.items()}
    settings.identities.mkdir(parents=True, exist_ok=True, mode=0o700)
    (settings.identities / AIRFLOW_IDS).write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    print(f"{settings.airflow_url}; passwords in {settings.passwords}\n")
    for name, role in users.items():
        print(f"{name:18s}{ROLES[role]:12s}{MAY[ROLES[role]]}")


if __name__ == "__main__":
    try:
        main(read_settings())
    except ScriptoriumError as error:
        print(f"{error.word}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
