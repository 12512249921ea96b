"""Who may do what in a real Airflow with FAB, as infra/airflow_roles.py sets it up: each row of docs/identities.md."""

import json
import re
import stat
import subprocess
import sys

import httpx
import pytest

from pipelines.airflow_api import Airflow
from pipelines.errors import Refused
from pipelines.identity import AIRFLOW_IDS
from pipelines.settings import ROOT, read_settings
from tests import evidence
from tests.airflow_with_roles import ADMIN, airflow_with_roles, load_dags, open_review

pytestmark = [pytest.mark.service, pytest.mark.timeout(900)]

DAG = "train__checker"
RUN = f"/dags/{DAG}/dagRuns/{{run}}"
FAB = "/auth/fab/v1"
READS = ("engineer", "reviewer", "promoter")

# What is tried, how, and who of the three may.
TRIES = {
    "look": ("GET", RUN, None, READS),
    "look at the recorded answers": ("GET", f"{RUN}/hitlDetails", None, READS),
    "look at what a task handed on": ("GET", f"{RUN}/taskInstances/freeze/xcomEntries", None, READS),
    "trigger": ("POST", f"/dags/{DAG}/dagRuns", {"logical_date": None, "conf": {}}, ["engineer"]),
    "mark a task": ("PATCH", f"{RUN}/taskInstances/freeze", {"new_state": "success"}, ["engineer"]),
    "mark the review": ("PATCH", f"{RUN}/taskInstances/second_review", {"new_state": "success"}, ["engineer"]),
    "clear": (
        "POST",
        f"/dags/{DAG}/clearTaskInstances",
        {"dry_run": False, "dag_run_id": "{run}", "task_ids": ["freeze"], "only_failed": False},
        ["engineer"],
    ),
    "clear runs": (
        "POST",
        f"/dags/{DAG}/clearDagRuns",
        {"dry_run": True, "dag_runs": [{"dag_run_id": "{run}"}]},
        ["engineer"],
    ),
    "change a run": ("PATCH", RUN, {"note": "changed"}, ["engineer"]),
    "change runs": (
        "PATCH",
        f"/dags/{DAG}/dagRuns",
        {"actions": [{"action": "update", "entities": [{"dag_run_id": "{run}", "note": "changed"}]}]},
        ["engineer"],
    ),
    "delete a run": ("DELETE", RUN, None, []),
    "write an XCom": (
        "POST",
        f"{RUN}/taskInstances/check_gates/xcomEntries",
        {"key": "return_value", "value": "forged"},
        [],
    ),
    "change an XCom": (
        "PATCH",
        f"{RUN}/taskInstances/check_gates/xcomEntries/return_value",
        {"value": "forged"},
        [],
    ),
    "pause": ("PATCH", f"/dags/{DAG}", {"is_paused": False}, ["engineer", "reviewer"]),
    "delete the DAG": ("DELETE", f"/dags/{DAG}", None, []),
    "record new data": ("POST", "/assets/events", {"asset_id": 1, "extra": {}}, ["engineer"]),
    "set a variable": ("POST", "/variables", {"key": "k", "value": "v"}, []),
    "set a connection": ("POST", "/connections", {"connection_id": "c", "conn_type": "http"}, []),
    "make oneself an administrator": (
        "PATCH",
        f"{FAB}/users/{{user}}?update_mask=roles",
        {"roles": [{"name": "Admin"}]},
        [],
    ),
    "let one's role do more": (
        "PATCH",
        f"{FAB}/roles/Viewer?update_mask=actions",
        {"name": "Viewer", "actions": [{"action": {"name": "can_create"}, "resource": {"name": "DAG Runs"}}]},
        [],
    ),
}


def set_up(environ, code=0, password=ADMIN[1]):
    """Run the script as the administrator; what it prints."""
    admin = {"AIRFLOW_ADMIN_USERNAME": ADMIN[0], "AIRFLOW_ADMIN_PASSWORD": password}
    command = [sys.executable, "-m", "infra.airflow_roles"]
    done = subprocess.run(command, cwd=ROOT, env=environ | admin, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def settings(tmp_path_factory, free_port):
    home = tmp_path_factory.mktemp("home")
    (home / "recipes").mkdir()
    two = evidence.RECIPE.replace('["reviewer"]\napprovals_for_first_release = 1', '["reviewer", "second_reviewer"]')
    (home / "recipes" / "checker.toml").write_text(two + "[retrain]\non_new_data = true\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCRIPTORIUM_HOME", str(home))
        patch.setenv("SCRIPTORIUM_RECIPES", str(home / "recipes"))
        patch.setenv("SCRIPTORIUM_IDENTITIES", str(home / "identities"))
        patch.setenv("SCRIPTORIUM_AIRFLOW_PORT", str(free_port()))
        yield read_settings()


@pytest.fixture(scope="module")
def environ(settings):
    with airflow_with_roles(settings) as found:
        assert "reviewer          Reviewer    answer a review" in set_up(found)
        yield found


@pytest.fixture(scope="module")
def assigned(settings, environ):
    """Whom the review names, once the script has written the numbers down and the DAGs are loaded."""
    return load_dags(environ, DAG)


@pytest.fixture(scope="module")
def run_id(settings, assigned):
    """A run that the engineer asked for, whose review waits."""
    run_id = Airflow(settings, "engineer").trigger(DAG, {"seed": 1})
    open_review(settings, run_id, assigned)
    return run_id


@pytest.fixture(scope="module")
def people(settings, environ):
    """Each logged in once, for FAB hashes a password a million times."""
    return {user: Airflow(settings, user) for user in READS}


def tried(user, airflow, what, run_id):
    """What Airflow answers somebody who tries something."""
    method, path, body, _ = TRIES[what]
    filled = json.loads(json.dumps(body).replace("{run}", run_id)) if body else None
    url = path.format(run=run_id, user=user)
    return airflow._request(method, url if url.startswith(FAB) else f"/api/v2{url}", filled, None)


@pytest.mark.parametrize("what", TRIES)
def test_each_may_do_their_work_and_no_more(people, run_id, what):
    for user, airflow in people.items():
        answer = tried(user, airflow, what, run_id)
        told = f"{user} tried to {what}: {answer.status_code} {answer.text[:300]}"
        assert answer.is_success if user in TRIES[what][3] else answer.status_code == 403, told


# Airflow looks into the body of these before it asks who sends it, or knows no such thing to begin with.
ASKS_LATER = {"list", "clearDagRuns", "parseDagFile", "enqueue-test", "backfills"}
BULK = {"/connections", "/pools", "/variables", "/dags/{dag_id}/dagRuns"}
FOR_ONESELF = {"favorite", "unfavorite"}


@pytest.mark.parametrize(
    ("user", "may"),
    [
        ("promoter", set()),
        (
            "reviewer",
            {
                "patch /dags",
                "patch /dags/{dag_id}",
                "patch /dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}/hitlDetails",
            },
        ),
    ],
)
def test_of_all_that_airflow_lets_anybody_change_nothing_else_is_open(settings, people, run_id, user, may):
    """Each call that its own page of calls lists, so that one of a later Airflow is found."""
    values = {"dag_id": DAG, "dag_run_id": run_id, "task_id": "review", "map_index": "-1", "asset_id": "1"}
    airflow, found = people[user], set()
    calls = httpx.get(f"{settings.airflow_url}/openapi.json", trust_env=False).json()["paths"]
    changing = [(method, path) for path, methods in calls.items() for method in methods if method != "get"]
    assert len(changing) > 50
    for method, path in changing:
        url = re.sub(r"\{(\w+)\}", lambda name: values.get(name[1], "1"), path)
        if airflow._request(method.upper(), url, {}, None).status_code != 403:
            found.add(f"{method} {path.removeprefix('/api/v2')}")
    later = {one for one in found if (ASKS_LATER | FOR_ONESELF) & set(one.split("/"))}
    assert found - later - {f"patch {path}" for path in BULK} == may


def test_only_who_is_asked_can_answer_and_the_promoter_reads_who_it_was_by_name(settings, run_id, assigned):
    numbers = json.loads((settings.identities / AIRFLOW_IDS).read_text())
    assert assigned == [{"id": numbers[name], "name": name} for name in ("reviewer", "second_reviewer")]
    assert all(number.isdigit() for number in numbers.values())
    other = Airflow(settings, "engineer").trigger(DAG, {"seed": 1})
    open_review(settings, other, assigned[1:])
    for user, run, why in (
        ("engineer", run_id, "Forbidden"),
        ("promoter", run_id, "Forbidden"),
        ("admin", run_id, "is not a respondent"),
        ("reviewer", other, "is not a respondent"),
    ):
        with pytest.raises(Refused, match=f"{user} may not do this: .*{why}"):
            Airflow(settings, user).answer(DAG, run, "Approve", "mine")
    Airflow(settings, "reviewer").answer(DAG, run_id, "Approve", "reads well")
    promoter = Airflow(settings, "promoter")
    said = promoter.reviews(DAG, run_id)["review"]
    assert (said.responded_by.name, said.responded_by.id) == ("reviewer", numbers["reviewer"])
    assert promoter.run(DAG, run_id).triggering_user_name == "engineer"
    with pytest.raises(Refused, match="answered or done before"):
        Airflow(settings, "second_reviewer").answer(DAG, run_id, "Reject", "mine counts")


def test_the_set_up_may_be_run_again_and_takes_away_what_somebody_gave(settings, environ, run_id):
    numbers = (settings.identities / AIRFLOW_IDS).read_text()
    root = httpx.Client(base_url=settings.airflow_url, trust_env=False, timeout=60)
    told = root.post("/auth/token", json={"username": ADMIN[0], "password": ADMIN[1]})
    root.headers["Authorization"] = f"Bearer {told.json()['access_token']}"
    before = root.get(f"{FAB}/roles/Reviewer").json()["actions"]
    more = [*before, {"action": {"name": "can_create"}, "resource": {"name": "DAG Runs"}}]
    root.patch(f"{FAB}/roles/Reviewer", json={"name": "Reviewer", "actions": more}).raise_for_status()
    own = {"roles": [{"name": "Admin"}], "password": "another"}
    root.patch(f"{FAB}/users/reviewer?update_mask=roles,password", json=own).raise_for_status()
    assert "reviewer          Reviewer    answer a review" in set_up(environ)
    assert sorted(map(str, root.get(f"{FAB}/roles/Reviewer").json()["actions"])) == sorted(map(str, before))
    assert root.get(f"{FAB}/users/reviewer").json()["roles"] == [{"name": "Reviewer"}]
    assert Airflow(settings, "reviewer").run(DAG, run_id).run_id == run_id, "the password of the file is theirs again"
    assert (settings.identities / AIRFLOW_IDS).read_text() == numbers
    assert stat.S_IMODE(settings.passwords.stat().st_mode) == 0o600


def test_the_set_up_takes_an_administrator(environ):
    assert "refused: Airflow on http://127.0.0.1:" in set_up(environ, code=10, password="wrong")
