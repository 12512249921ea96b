"""The review page, in real Airflow and a real browser: blind, by keyboard, in two languages, under Airflow's login."""

import json
import re
import shutil
import time

import httpx
import pytest

from pipelines import judgements, ledger, promote
from pipelines.airflow_api import Airflow
from pipelines.audit import audit
from pipelines.champion import champion
from pipelines.dataset import current_md5
from pipelines.errors import Refused
from pipelines.judging import judge_in_terminal
from pipelines.side_by_side import in_random_order, sides
from tests import evidence
from tests.promotions import candidate, classifier, review_of

pytestmark = [pytest.mark.service, pytest.mark.timeout(1500)]

NAME, DAG, LIMIT_S = "judged", "train__judged", 900
CHROMIUM = shutil.which("chromium")
DIFFERING = [
    {
        "id": f"ec2/{n}",
        "input": {"text_a": f"operation {n} <script>alert(1)</script> creates a table", "text_b": "deletes it"},
        "candidate": f"of the new model, {n}",
        "champion": f"of the old model, {n}",
    }
    for n in range(20)
]


def ended(settings, run_id, ready):
    """Wait until a run's tasks are `ready`; returns their states."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        states = {task.task_id: task.state for task in Airflow(settings, "promoter").tasks(DAG, run_id)}
        if ready(states):
            return states
        assert "failed" not in states.values(), states
        time.sleep(1)
    pytest.fail(f"{run_id} is not there after {LIMIT_S} s: {states}")


@pytest.fixture(scope="module")
def settings(services):
    return services


@pytest.fixture(scope="module")
def asked(settings):
    """A champion, and a run with another model that waits for its review; the run's id and the dossier's seal."""
    recipe = "seed = 2\n" + evidence.RECIPE.replace('name = "checker"', f'name = "{NAME}"')
    dossier, uri = candidate(settings, NAME, seed=1)
    promote.release(dossier, review_of(dossier, uri), settings)
    (settings.recipes / f"{NAME}.toml").write_text(recipe)
    files, examples = classifier(settings.home / "model-judged", 2)
    given = {"model": files, "examples": examples, "champion": champion(NAME, settings).folder, "accuracy": 0.83}
    told = {"recipe": {"name": NAME}, "dataset_md5": current_md5(), "differing": DIFFERING}
    evidence.finished_run(settings, "prepared", seed=2, **given, **told)
    airflow, end = Airflow(settings, "engineer"), time.monotonic() + LIMIT_S
    while DAG not in {dag.dag_id for dag in airflow.dags()} and time.monotonic() < end:
        time.sleep(1)
    run_id = airflow.trigger(DAG, {"seed": 2})
    ended(settings, run_id, lambda states: states.get("review") == "awaiting_input")
    return run_id, re.search(r"/review/train__judged/([0-9a-f]{64})", airflow.review(DAG, run_id).body)[1]


def logged_in(settings, user):
    """A client that Airflow knows as a user by its cookie, as a browser is."""
    client = httpx.Client(base_url=settings.airflow_url, trust_env=False)
    password = json.loads(settings.passwords.read_text())[user]
    token = client.post("/auth/token", json={"username": user, "password": password}).json()["access_token"]
    client.cookies.set("_token", token)
    return client


def test_nobody_sees_it_without_airflows_login_and_nobody_judges_who_may_not_review(settings, asked):
    place = f"/review/{DAG}/{asked[1]}"
    away = httpx.get(settings.airflow_url + place, trust_env=False, headers={"Accept": "text/html"})
    assert (away.status_code, "/auth/login?next=" in away.headers["location"]) == (302, True)
    assert httpx.get(f"{settings.airflow_url}{place}/examples", trust_env=False).status_code == 401
    assert (
        httpx.put(f"{settings.airflow_url}{place}/examples/0", json={"choice": "a"}, trust_env=False).status_code == 401
    )
    for user, why in (("engineer", "engineer may not review judged; reviewer may"), ("promoter", "Forbidden")):
        client = logged_in(settings, user)
        assert "disabled" in client.get(place).text
        said = client.put(f"{place}/examples/0", json={"choice": "a"})
        assert (said.status_code in {400, 403}, said.json()["detail"]) == (True, why)
    reviewer = logged_in(settings, "reviewer")
    assert "there is no dossier" in reviewer.get(f"/review/{DAG}/{'0' * 64}").json()["detail"]
    assert "is none of train__checker" in reviewer.get(f"/review/train__checker/{asked[1]}").json()["detail"]
    assert judgements.read_all(asked[1], settings) == []


def test_the_page_does_not_say_whose_answer_is_whose_and_texts_are_texts(settings, asked):
    text = logged_in(settings, "reviewer").get(f"/review/{DAG}/{asked[1]}").text
    told = re.findall(r'<div class="side">of the (new|old) model, \d+</div>', text)
    firsts = told[::2]
    assert len(told) == 40
    assert 3 < firsts.count("new") < 17, "by chance on either side"
    assert "<script>alert" not in text


def test_the_terminal_asks_for_the_same_examples_and_goes_on_where_it_ended(settings, asked, capsys):
    def says(*answers):
        answers = iter(answers)
        return judge_in_terminal(NAME, "reviewer", settings, ask=lambda _: next(answers))

    assert says("1", "maybe", "3", "q")["judged"] == 2
    told = capsys.readouterr().out
    assert "'maybe' is none of 1, 2, 3, 4, Enter and q" in told
    assert not re.search(r"candidate|champion", told)
    assert says("", "q")["judged"] == 2
    first = sides(asked[1], str(in_random_order(asked[1], DIFFERING)[0]["id"]))[0]
    said = judgements.read(asked[1], "reviewer", settings).said
    assert sorted(said.values()) == sorted([first, "same"])
    with pytest.raises(Refused, match="engineer may not review judged"):
        judge_in_terminal(NAME, "engineer", settings, ask=lambda _: "1")


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_a_reviewer_judges_by_keyboard_and_approves_and_it_is_all_recorded(settings, asked, tmp_path):
    from playwright.sync_api import expect, sync_playwright

    run_id, seal = asked
    token = logged_in(settings, "reviewer").cookies["_token"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 390, "height": 844})
        context.add_cookies([{"name": "_token", "value": token, "url": settings.airflow_url}])
        page = context.new_page()
        page.goto(f"{settings.airflow_url}/review/{DAG}/{seal}?lang=zh")
        expect(page.get_by_role("heading", name="盲评")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "fits a phone"
        for number, key in enumerate("123412"):
            page.keyboard.press("j")
            page.keyboard.press(key)
            # Two of them were judged in the terminal before.
            expect(page.locator("#judged")).to_have_text(str(max(2, number + 1)))
        page.get_by_role("button", name="批准").click()
        expect(page.locator("#said")).to_have_text("请先填写理由。")
        page.get_by_role("textbox").fill("reads well")
        page.get_by_role("button", name="批准").click()
        expect(page.locator("#said")).to_contain_text("已记录")
        ended(settings, run_id, lambda states: states.get("promote") == "success")
        page.goto(f"{settings.airflow_url}/review/{DAG}/{seal}")
        expect(page.locator("#answered")).to_contain_text("reviewer: approved")
        assert page.get_by_role("button", name="A better").first.is_disabled()
        browser.close()
    said = judgements.read(seal, "reviewer", settings).said
    assert sorted(said.values()).count("same") == 1
    assert len(said) == 6
    promoted = ledger.of_champion(ledger.read(ledger.ledger_path(NAME, settings)))
    assert promoted.facts["judged"].startswith("6 judged blind: candidate better")
    assert audit(NAME, settings)["judged"] == promoted.facts["judged"]
    late = logged_in(settings, "reviewer").put(f"/review/{DAG}/{seal}/examples/9", json={"choice": "a"})
    assert late.status_code == 409
