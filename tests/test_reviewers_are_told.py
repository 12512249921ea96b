"""Who is asked for a review is told, and told again while it waits."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pendulum
import pytest

from pipelines.airflow_records import Pending
from pipelines.errors import Refused
from pipelines.notice import due, notice, reminders
from pipelines.recipe_file import load_recipe
from pipelines.settings import ROOT, read_settings
from tests.evidence import RECIPE
from tests.inbox import inbox

SEAL = "5e" * 32
PAGE = f"https://airflow.example/review/train__checker/{SEAL}"
PACKET = f"""**checker: the candidate passes all 2 gates. accuracy 0.91 (0.88 to 0.94); there is no champion yet.**

Asked for by engineer

## Examples

| text | label |
| --- | --- |
| what a customer wrote | good |

- **[Review page]({PAGE})**: the examples on which candidate and champion differ most
"""
ASKED = datetime(2026, 11, 27, 9, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def settings(tmp_path, monkeypatch):
    (tmp_path / "recipes").mkdir()
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path))
    monkeypatch.setenv("SCRIPTORIUM_RECIPES", str(tmp_path / "recipes"))
    return read_settings()


def recipe(settings, name, review):
    path = settings.recipes / f"{name}.toml"
    path.write_text("seed = 1\n" + RECIPE.replace('"checker"', f'"{name}"') + review + "\n")
    return path


def waiting(name):
    asked = {"subject": f"Make the new {name} the champion?", "body": PACKET, "options": ["Approve", "Reject"]}
    return Pending(
        **asked, created_at=ASKED, response_received=False, task_instance={"dag_id": f"train__{name}", "task_id": "x"}
    )


def test_a_notice_is_the_verdict_and_the_page_and_none_of_the_examples():
    told = notice(PACKET)
    assert told.startswith("checker: the candidate passes all 2 gates. accuracy 0.91 (0.88 to 0.94)")
    assert told.endswith(f": {PAGE}")
    assert "customer" not in told


def test_each_multiple_is_told_once_however_often_and_however_late_somebody_looks():
    every, looks = timedelta(hours=24), [ASKED + HOUR * hours for hours in range(-2, 80)]
    told = [b for a, b in pairwise(looks) if due(ASKED, every, a, b)]
    assert told == [ASKED + every * n for n in (1, 2, 3)]
    assert due(ASKED, every, ASKED + HOUR * 23, ASKED + HOUR * 30), "the hour in between was missed"
    assert not due(ASKED, every, ASKED - HOUR, ASKED + HOUR), "it has only just been asked"
    assert not due(ASKED, every, ASKED - HOUR * 100, ASKED - HOUR * 50), "it had not been asked then"


def test_a_reminder_says_how_long_it_has_waited_and_when_it_closes(settings):
    recipe(settings, "checker", 'notify = "reviewers"\nremind_hours = 48')
    at = pendulum.instance(ASKED + HOUR * 48)  # as Airflow hands it out
    (told,) = reminders([waiting("checker")], at - HOUR, at, settings)
    assert (told.connection, told.title) == ("reviewers", "Still open: Make the new checker the champion?")
    assert told.body.endswith(f"{PAGE}\n\nIt has waited for 2 days, and closes in 5 days.")
    assert reminders([waiting("checker")], at, at + HOUR, settings) == []


def test_recipes_that_tell_nobody_are_gone_or_are_refused_stop_no_other(settings):
    recipe(settings, "silent", "")
    recipe(settings, "broken", 'notfiy = "reviewers"')
    recipe(settings, "told", 'notify = "reviewers"')
    at = ASKED + HOUR * 24
    all_of_them = [waiting(name) for name in ("silent", "broken", "gone", "told")]
    assert [told.title for told in reminders(all_of_them, at - HOUR, at, settings)] == [
        "Still open: Make the new told the champion?"
    ]


@pytest.mark.parametrize("name", ["json://user:secret@example", "two words", ""])
def test_a_recipe_names_a_connection_and_holds_no_address(settings, name):
    with pytest.raises(Refused, match=r"review\.notify"):
        load_recipe(recipe(settings, "checker", f'notify = "{name}"'))


SEND = "from dags.notice import send; send('reviewers', 'title', 'body')"


@pytest.mark.slow
def test_a_message_that_no_service_took_was_not_sent(tmp_path):
    def sent(port):
        path = {"config": {"path": f"json://127.0.0.1:{port}"}}
        known = {"AIRFLOW_CONN_REVIEWERS": json.dumps({"conn_type": "apprise", "extra": path})}
        environ = os.environ | known | {"AIRFLOW_HOME": str(tmp_path)}
        return subprocess.run([sys.executable, "-c", SEND], cwd=ROOT, env=environ, capture_output=True, text=True)

    with inbox() as box:
        assert sent(box.port).returncode == 0
        assert [message["title"] for message in box.received] == ["title"]
    away = sent(box.port)
    assert away.returncode == 1
    assert "a service of the connection reviewers did not take the message" in away.stderr
