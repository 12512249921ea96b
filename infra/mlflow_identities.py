"""MLflow users trainer, promoter and reviewer, each with the least that its work needs; may be run again at any time.

    MLFLOW_TRACKING_USERNAME=admin MLFLOW_TRACKING_PASSWORD=... python -m infra.mlflow_identities

Run it once after MLflow's start with infra/mlflow_auth.ini, and after every new recipe. Passwords are made where there
are none, and lie in SCRIPTORIUM_IDENTITIES, a file for each user; a machine that trains gets the trainer's alone.
Exit code 1 when somebody else may write to what only the promoter may.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from pipelines.errors import Refused, ScriptoriumError
from pipelines.identity import Credentials, Identity, file_of
from pipelines.registry import candidates
from pipelines.settings import read_settings
from pipelines.stack import write_private

MODEL, EXPERIMENT = "registered_model", "experiment"
USERS, PERMISSIONS = "/api/2.0/mlflow/users", "/api/3.0/mlflow/users/permissions"
WRITES = ("EDIT", "MANAGE")
# What each may do with what there is of a recipe: its runs, candidates, promoted versions and their files. EDIT adds
# and changes, MANAGE also deletes. Whoever may add a version may move every alias of the model: hence two models.
GRANTS: dict[str, dict[str, str]] = {
    "runs": {"trainer": "EDIT", "promoter": "EDIT", "reviewer": "READ"},
    "candidates": {"trainer": "EDIT", "promoter": "MANAGE", "reviewer": "READ"},
    "promoted": {"trainer": "READ", "promoter": "MANAGE", "reviewer": "READ"},
    "promoted files": {"trainer": "READ", "promoter": "EDIT", "reviewer": "READ"},
}
PROMOTERS_OWN = ("promoted", "promoted files")
IDENTITIES: tuple[Identity, ...] = ("trainer", "promoter", "reviewer")


@dataclass(frozen=True)
class Thing:
    """A resource of MLflow's: `id` is a model's name, or an experiment's number."""

    part: str
    kind: str
    name: str
    id: str


class Admin:
    """MLflow's REST API, as its administrator; `mlflow.server.auth` has a client, which needs the server's packages."""

    def __init__(self, url: str) -> None:
        try:
            name, password = os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"]
        except KeyError as missing:
            raise Refused(f"{missing.args[0]} is not set; it takes MLflow's administrator") from None
        self.url = url
        self._client = httpx.Client(base_url=url, auth=(name, password), timeout=60, trust_env=False)

    def call(self, method: str, path: str, *but: str, **values: Any) -> dict[str, Any] | None:
        """What MLflow answers; None for one of the error codes in `but`."""
        given = {"params": values} if method == "GET" else {"json": values}
        answer = self._client.request(method, path, **given)
        if answer.is_success:
            return dict(answer.json())
        if any(code in answer.text for code in but):
            return None
        raise ScriptoriumError(f"MLflow answers {method} {path} with {answer.status_code}: {answer.text[:300]}")

    def knows(self, user: Credentials) -> bool:
        """Whether a user's password is that one."""
        auth = (user.username, user.password)
        return httpx.get(f"{self.url}{USERS}/current", auth=auth, timeout=60, trust_env=False).is_success


def credentials(identity: Identity, folder: Path) -> Credentials:
    """Those in the identity's file, which is made where there is none."""
    path = file_of(identity, folder)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = Credentials(username=identity, password=secrets.token_urlsafe(24))
        write_private(path, json.dumps(fresh.model_dump(), indent=2) + "\n")
    return Credentials.model_validate_json(path.read_bytes())


def ensure_user(admin: Admin, user: Credentials) -> None:
    """Let MLflow know a user by the password in their file."""
    if admin.knows(user):
        return
    made = admin.call("POST", f"{USERS}/create", "RESOURCE_ALREADY_EXISTS", **user.model_dump())
    if made is None:
        admin.call("PATCH", f"{USERS}/update-password", **user.model_dump())


def things(admin: Admin, recipe: str) -> Iterator[Thing]:
    """What there is of a recipe, made by the administrator where it is missing: whoever makes a model may manage it."""
    for part, name in (("runs", recipe), ("promoted files", f"{recipe}-production")):
        yield Thing(part, EXPERIMENT, name, experiment(admin, name))
    for part, name in (("candidates", candidates(recipe)), ("promoted", recipe)):
        admin.call("POST", "/api/2.0/mlflow/registered-models/create", "RESOURCE_ALREADY_EXISTS", name=name)
        yield Thing(part, MODEL, name, name)


def experiment(admin: Admin, name: str) -> str:
    """The number of an experiment, made where there is none."""
    place = "/api/2.0/mlflow/experiments"
    found = admin.call("GET", f"{place}/get-by-name", "RESOURCE_DOES_NOT_EXIST", experiment_name=name)
    if found is not None:
        return str(found["experiment"]["experiment_id"])
    return str((admin.call("POST", f"{place}/create", name=name) or {})["experiment_id"])


def held(admin: Admin, username: str) -> dict[tuple[str, str], str]:
    """What a user was granted, by kind and id."""
    found = admin.call("GET", f"{PERMISSIONS}/list", username=username) or {}
    return {(one["resource_type"], one["resource_pattern"]): one["permission"] for one in found["permissions"]}


def grant(admin: Admin, username: str, thing: Thing, permission: str, before: dict[tuple[str, str], str]) -> None:
    """Give a user exactly this permission; MLflow changes none in place."""
    if before.get((thing.kind, thing.id)) == permission:
        return
    about = {"username": username, "resource_type": thing.kind, "resource_id": thing.id}
    if (thing.kind, thing.id) in before:
        admin.call("POST", f"{PERMISSIONS}/revoke", **about)
    admin.call("POST", f"{PERMISSIONS}/grant", **about, permission=permission)


def strangers(admin: Admin, own: list[Thing], known: set[str]) -> Iterator[str]:
    """Who else may write to what is the promoter's: administrators aside, nobody should."""
    users = (admin.call("GET", f"{USERS}/list") or {})["users"]
    for name in (user["username"] for user in users if not user["is_admin"]):
        allowed = held(admin, name)
        for thing in own:
            for pattern in {thing.id, "*"} - ({thing.id} if name in known else set()):
                if allowed.get((thing.kind, pattern)) in WRITES:
                    yield f"{name} has {allowed[thing.kind, pattern]} on {thing.kind} {pattern} ({thing.part})"


def main() -> int:
    """Make users and grants, and print who may what."""
    settings = read_settings()
    if settings.identities is None:
        raise Refused("SCRIPTORIUM_IDENTITIES is not set; it names the folder of the users' passwords")
    admin, recipes = Admin(settings.mlflow_url), sorted(path.stem for path in settings.recipes.glob("*.toml"))
    users = {identity: credentials(identity, settings.identities) for identity in IDENTITIES}
    for user in users.values():
        ensure_user(admin, user)
    before = {identity: held(admin, user.username) for identity, user in users.items()}
    all_of_them = [thing for recipe in recipes for thing in things(admin, recipe)]
    for thing in all_of_them:
        for identity, permission in GRANTS[thing.part].items():
            grant(admin, users[identity].username, thing, permission, before[identity])  # type: ignore[index]
    print(f"{admin.url}: {len(recipes)} recipes; passwords in {settings.identities}\n")
    print("".join(f"{head:16s}" for head in ("", *(users[identity].username for identity in IDENTITIES))))
    for part, row in GRANTS.items():
        print("".join(f"{cell:16s}" for cell in (part, *(row[identity] for identity in IDENTITIES))))
    own = [thing for thing in all_of_them if thing.part in PROMOTERS_OWN]
    odd = list(strangers(admin, own, {user.username for user in users.values()}))
    for line in odd:
        print(f"TAKE AWAY: {line}", file=sys.stderr)
    return 1 if odd else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ScriptoriumError as error:
        print(f"{error.word}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
