"""The recipe file of today decides who may approve and by which gates; a frozen run decides what is trained."""

import json
import re
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.artifact import read_json, seal
from pipelines.decision import decide
from pipelines.errors import Refused
from pipelines.gates import judge
from pipelines.policy import run_to_decide, under_todays_rules
from pipelines.promote import check_age, check_evidence
from pipelines.run import read_run
from pipelines.settings import read_settings
from pipelines.steps import make
from tests.evidence import RECIPE, dossier_of, finished_run
from tests.test_review import NOON, answer, decided


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path))
    monkeypatch.setenv("SCRIPTORIUM_RECIPES", str(tmp_path / "recipes"))
    (tmp_path / "recipes").mkdir()
    settings = read_settings()
    write_recipe(settings)
    return settings


def write_recipe(settings, old="", new=""):
    assert old in RECIPE
    (settings.recipes / "checker.toml").write_text(RECIPE.replace(old, new, 1))


def lower_the_gate(run_uri):
    """Edit a frozen run in its folder."""
    path = Path(run_uri) / "run.json"
    values = json.loads(path.read_text())
    values["recipe"]["gates"][0]["at_least"] = 0.1
    values["recipe"]["review"]["reviewers"] = ["engineer"]
    path.write_text(json.dumps(values))


def test_a_run_that_was_edited_is_refused_by_every_step(settings):
    run_uri, _ = finished_run(settings, "manual__1", accuracy=0.6)
    lower_the_gate(run_uri)
    with pytest.raises(Refused, match=r"not as it was frozen.*run\.json"):
        read_run(run_uri)
    with pytest.raises(Refused, match=r"not as it was frozen"):
        make("dataset", run_uri, {})


def test_an_edited_run_whose_manifest_was_made_to_fit_has_no_gates_of_its_own(settings):
    run_uri, report = finished_run(settings, "manual__1", accuracy=0.65)
    lower_the_gate(run_uri)
    seal(Path(run_uri), "freeze", {"run": "manual__1"}, {})
    run = under_todays_rules(read_run(run_uri), settings)
    assert run.recipe.gates[0].at_least == 0.7
    assert run.recipe.review.reviewers == ("reviewer",)
    assert judge(run.recipe.gates, read_json(Path(report) / "report.json"))[0].outcome == "fail"


def test_a_run_that_lies_elsewhere_is_not_decided_about(settings, tmp_path):
    run_uri, _ = finished_run(settings, "manual__1")
    assert run_to_decide(run_uri, settings) == read_run(run_uri)
    forged = shutil.copytree(run_uri, tmp_path / "manual__1")
    with pytest.raises(Refused, match="is not where run manual__1 of checker is frozen"):
        run_to_decide(str(forged), settings)


def test_what_is_trained_stays_as_it_was_frozen(settings):
    run_uri, _ = finished_run(settings, "manual__1", recipe={"finetune": {"epochs": 9}})
    write_recipe(settings, "tokens = 1000", "tokens = 2000")
    run = under_todays_rules(read_run(run_uri), settings)
    assert (run.recipe.finetune.epochs, run.recipe.pretrain.tokens) == (9, 1000)


@pytest.mark.parametrize("gate", ["at_least = 0.79", "at_least = 0.9", "at_least = 0.5", "at_most = 0.9"])
def test_a_model_approved_under_other_gates_than_todays_is_not_promoted(settings, gate):
    dossier = dossier_of(settings)
    check_evidence(dossier, under_todays_rules(read_run(dossier.run_uri), settings))
    write_recipe(settings, "at_least = 0.7", gate)
    with pytest.raises(Refused, match="they were changed since; start a new run"):
        check_evidence(dossier, under_todays_rules(read_run(dossier.run_uri), settings))


def test_the_approval_of_a_reviewer_who_left_does_not_count(settings):
    dossier = dossier_of(settings)
    assert decided(dossier).reviewer == "reviewer"
    write_recipe(settings, 'reviewers = ["reviewer"]', 'reviewers = ["other"]')
    today = under_todays_rules(read_run(dossier.run_uri), settings)
    with pytest.raises(Refused, match="reviewer answered, but may not review checker: other may"):
        decide([answer(dossier)], today, dossier, "models:/checker-candidates/1")


def test_an_approval_expires_after_todays_days(settings):
    dossier = dossier_of(settings)
    write_recipe(settings, 'reviewers = ["reviewer"]', 'reviewers = ["reviewer"]\nexpires_days = 1')
    today = under_todays_rules(read_run(dossier.run_uri), settings)
    with pytest.raises(Refused, match="expired after 1 days"):
        check_age(decided(dossier), today, NOON + timedelta(days=2))


def test_a_recipe_that_is_gone_promotes_nothing(settings):
    dossier = dossier_of(settings)
    (settings.recipes / "checker.toml").rename(settings.recipes / "checkers.toml")
    with pytest.raises(Refused, match=re.escape("no recipe 'checker'") + ".*did you mean 'checkers'"):
        under_todays_rules(read_run(dossier.run_uri), settings)
