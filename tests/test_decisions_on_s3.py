"""With the artifact root in S3 a model is planned, released, reviewed, audited and traced from any machine."""

import json
import os

import pytest

from pipelines import doctor
from pipelines.champion import champion
from pipelines.dataset import current_md5
from pipelines.errors import Refused, ScriptoriumError
from pipelines.flow import plan
from pipelines.lineage import read_lineage
from pipelines.recipe_file import load_recipe
from pipelines.review import facts, read_review, write_review
from pipelines.run import new_run
from pipelines.settings import read_settings
from tests.command import scriptorium
from tests.evidence import RECIPE, finished_run
from tests.machines import BUCKET
from tests.promotions import candidate, released, review_of
from tests.versioned_data import new_data

pytestmark = pytest.mark.service


def test_plan_on_another_machine_says_reused_and_brings_nothing(machines, monkeypatch, capsys):
    recipes = machines.folder / "recipes"
    recipes.mkdir()
    (recipes / "checker.toml").write_text("seed = 1\n" + RECIPE)
    new_data(machines.folder / "data")
    monkeypatch.setenv("SCRIPTORIUM_RECIPES", str(recipes))
    monkeypatch.setenv("SCRIPTORIUM_DATA", str(machines.folder / "data"))
    monkeypatch.setenv("SCRIPTORIUM_MLFLOW_URL", "http://127.0.0.1:9")
    one = machines.be("one")
    finished_run(one, "r1", dataset_md5=current_md5())
    two = machines.be("two")
    forecasts = json.loads(scriptorium(capsys, "plan", "checker", "--json").out)
    assert {f["stage"] for f in forecasts} >= {"dataset", "pretrain", "finetune", "evaluate"}
    assert all(f["reused"] for f in forecasts), forecasts
    assert not list((two.home / "mirror").rglob("*.safetensors"))
    changed = new_run(load_recipe(recipes / "checker.toml", {"seed": 2}), "plan", current_md5(), "local")
    assert "changed: seed (1 -> 2)" in plan(changed, None, two)[0].why


@pytest.fixture
def shared(machines, mlflow_url, monkeypatch):
    (machines.folder / "recipes").mkdir()
    monkeypatch.setenv("SCRIPTORIUM_RECIPES", str(machines.folder / "recipes"))
    monkeypatch.setenv("SCRIPTORIUM_MLFLOW_URL", mlflow_url)
    return machines


def test_a_model_released_on_one_machine_is_audited_and_replaced_on_another(shared, product, capsys):
    first, _ = released(shared.be("one"), product)
    two = shared.be("two")
    found = json.loads(scriptorium(capsys, "audit", product, "--json").out)
    assert (found["champion"], found["problems"]) == ("version 1", [])
    assert found["report"].startswith(f"s3://{BUCKET}/")
    held = champion(product, two)
    assert held.digest == first.model.digest
    second, version = released(two, product, run_id="manual__2", seed=2, champion=held.folder, accuracy=0.83)
    assert (second.champion.version, version) == ("1", "2")
    one = shared.be("one")
    assert champion(product, one).digest == second.model.digest
    lineage = read_lineage(shared.be("three"))
    assert sorted(run.run_id for run in lineage.runs) == ["manual__1", "manual__2"]
    champions = [c for found in lineage.candidates.values() for c in found if c.champion]
    assert [c.dossier for c in champions] == [second.sha256]


def test_a_review_is_final_on_every_machine(shared, product):
    one = shared.be("one")
    dossier, uri = candidate(one, product)
    review = review_of(dossier, uri)
    place = write_review(review, one)
    two = shared.be("two")
    assert facts(read_review(place, two), dossier) == facts(review, dossier)
    assert write_review(review, two) == place
    with pytest.raises(Refused, match="a decision is final"):
        write_review(review_of(dossier, uri, "rejected"), shared.be("three"))


def test_the_doctor_says_where_artifacts_lie_and_whether_the_store_answers(machines, monkeypatch):
    settings = machines.be("one")
    found = doctor.artifacts(settings)
    assert found.ok
    assert f"s3://{BUCKET}/{machines.prefix} answers" in found.detail
    assert "ignores conditional writes" in found.detail
    assert machines.stored() == {}
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://somebody:secret@127.0.0.1:9")
    with pytest.raises(ScriptoriumError, match="does not answer") as refused:
        doctor.artifacts(settings)
    assert "secret" not in str(refused.value)
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in str(refused.value)


@pytest.mark.parametrize("root", ["gs://bucket/x", "s3://key:secret@bucket", "s3://bucket/../x", "s3://"])
def test_an_artifact_root_that_is_none_is_refused(root):
    with pytest.raises(ScriptoriumError) as refused:
        read_settings({"SCRIPTORIUM_ARTIFACTS": root})
    assert "secret" not in str(refused.value)
