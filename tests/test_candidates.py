"""From evidence to a candidate on a real MLflow server: recorded once, and only when today's gates let it through."""

from pathlib import Path

import pytest

from pipelines import dossier as dossiers
from pipelines import registry
from pipelines.champion import champion
from pipelines.check_gates import check_gates
from pipelines.errors import Refused, TryAgain
from pipelines.settings import read_settings
from pipelines.tracking import connect
from tests.promotions import candidate, write_recipe

pytestmark = pytest.mark.service


def test_a_run_is_recorded_once_with_its_data_scores_curves_and_report(mlflow_settings, product):
    dossier, _ = candidate(mlflow_settings, product)
    again = check_gates(dossier.run_uri, {"report": dossier.artifacts["report"].uri})
    assert Path(again).name == dossier.sha256
    client = connect(mlflow_settings)
    assert len(client.search_runs([dossier.mlflow_experiment])) == 1
    run = client.get_run(dossier.mlflow_run)
    assert run.inputs.dataset_inputs[0].dataset.digest == dossier.dataset_md5
    assert run.data.metrics["accuracy"] == 0.8
    assert run.data.metrics["baseline/overlap/accuracy"] == 0.64
    assert [point.step for point in client.get_metric_history(run.info.run_id, "finetune/loss")] == [1, 2, 3]
    assert run.data.params["finetune.epochs"] == "2"
    assert {f.path for f in client.list_artifacts(run.info.run_id)} >= {"report.html", "report.json", "validation.html"}
    assert run.info.status == "FINISHED"


def test_the_same_dossier_is_the_same_candidate(mlflow_settings, product):
    dossier, uri = candidate(mlflow_settings, product)
    assert uri == f"models:/{product}-candidates/1"
    assert registry.register_candidate(dossier, mlflow_settings) == uri
    version = connect(mlflow_settings).get_model_version(f"{product}-candidates", "1")
    assert version.tags["dossier"] == dossier.sha256
    assert version.tags["dataset_md5"] == dossier.dataset_md5
    assert champion(product, mlflow_settings) is None


def test_a_dossier_whose_gates_failed_is_kept_but_never_registered(mlflow_settings, product):
    with pytest.raises(Refused, match=r"accuracy must be at least 0\.9"):
        candidate(mlflow_settings, product, at_least=0.9)
    (folder,) = (Path(mlflow_settings.artifacts) / "dossiers").iterdir()
    dossier = dossiers.read(str(folder), mlflow_settings)
    with pytest.raises(Refused, match=r"accuracy must be at least 0\.9"):
        registry.register(dossier.run_uri, {"dossier": str(folder)})


def test_the_gates_are_those_of_the_recipe_today_and_not_those_of_the_run(mlflow_settings, product):
    dossier, _ = candidate(mlflow_settings, product)
    write_recipe(mlflow_settings, product, at_least=0.95)
    with pytest.raises(Refused, match=r"accuracy must be at least 0\.95"):
        check_gates(dossier.run_uri, {"report": dossier.artifacts["report"].uri})


def test_a_dossier_of_another_run_is_not_registered(mlflow_settings, product):
    dossier, _ = candidate(mlflow_settings, product)
    other, _ = candidate(mlflow_settings, product, run_id="manual__2", seed=2)
    uri = dossiers.dossier_uri(dossier.sha256, mlflow_settings)
    with pytest.raises(Refused, match=r"manual__1, not of .*manual__2"):
        registry.register(other.run_uri, {"dossier": uri})


def test_an_mlflow_that_does_not_answer_is_named(tmp_path):
    settings = read_settings({"SCRIPTORIUM_HOME": str(tmp_path), "SCRIPTORIUM_MLFLOW_URL": "http://127.0.0.1:9"})
    with pytest.raises(TryAgain, match=r"MLflow does not answer at http://127\.0\.0\.1:9"):
        champion("checker", settings)
