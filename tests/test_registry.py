"""From evidence to champion on a real MLflow server: only these bytes, only in this order, and again after a kill."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from pipelines import dossier as dossiers
from pipelines import ledger, promote, registry
from pipelines.artifact import read_json
from pipelines.audit import audit
from pipelines.check_gates import check_gates
from pipelines.errors import Refused, ScriptoriumError, TryAgain
from pipelines.review import Review, facts, show_in_mlflow, write_review
from pipelines.settings import read_settings
from pipelines.tracking import connect
from tests.evidence import EXAMPLES, finished_run, tiny_classifier
from tests.mlflow_server import mlflow_server

pytestmark = pytest.mark.service

NUMBERS = count()
ROW = {"text_a": "creates a table", "text_b": "deletes the table"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as url:
        yield url


@pytest.fixture
def settings(tmp_path, server, monkeypatch):
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path))
    monkeypatch.setenv("SCRIPTORIUM_MLFLOW_URL", server)
    return read_settings()


@pytest.fixture
def name():
    """A recipe name of the test's own: all tests share one server."""
    return f"checker_{next(NUMBERS)}"


def classifier(folder, seed):
    """A tiny model's files, and the example with the answer that it really gives."""
    from models.serving import load

    files = tiny_classifier(folder, seed)
    answer = load(folder, "pair_classification")([ROW])[0]
    return files, [EXAMPLES[0] | ROW | answer]


def candidate(settings, name, run_id="manual__1", seed=1, **changes):
    """Evidence, gates and registration; returns the dossier and the candidate's URI."""
    files, examples = classifier(settings.home / f"model-{seed}", seed)
    changes["recipe"] = changes.get("recipe", {}) | {"name": name}
    run_uri, report = finished_run(settings, run_id, seed=seed, model=files, examples=examples, **changes)
    uri = check_gates(run_uri, {"report": report})
    return dossiers.read(uri, settings), registry.register(run_uri, {"dossier": uri})


def review_of(dossier, uri, decision="approved"):
    return Review(
        dossier=dossier.sha256,
        candidate=uri,
        decision=decision,
        reviewer="reviewer",
        reason="reads well",
        decided_at=datetime(2026, 11, 23, 12, tzinfo=UTC),
        requested_by="engineer",
        dag_id=f"train__{dossier.name}",
        run_id=dossier.run_id,
    )


def released(settings, name, **changes):
    dossier, uri = candidate(settings, name, **changes)
    return dossier, promote.release(dossier, review_of(dossier, uri), settings)


def test_a_run_is_recorded_once_with_its_data_scores_curves_and_report(settings, name):
    dossier, _ = candidate(settings, name)
    again = check_gates(dossier.run_uri, {"report": dossier.artifacts["report"].uri})
    assert Path(again).name == dossier.sha256
    client = connect(settings)
    assert len(client.search_runs([dossier.mlflow_experiment])) == 1
    run = client.get_run(dossier.mlflow_run)
    assert run.inputs.dataset_inputs[0].dataset.digest == dossier.dataset_md5
    assert run.data.metrics["accuracy"] == 0.8
    assert run.data.metrics["baseline/overlap/accuracy"] == 0.64
    assert [point.step for point in client.get_metric_history(run.info.run_id, "finetune/loss")] == [1, 2, 3]
    assert run.data.params["finetune.epochs"] == "2"
    assert {f.path for f in client.list_artifacts(run.info.run_id)} >= {"report.html", "report.json", "validation.html"}
    assert run.info.status == "FINISHED"


def test_the_same_dossier_is_the_same_candidate(settings, name):
    dossier, uri = candidate(settings, name)
    assert uri == f"models:/{name}-candidates/1"
    assert registry.register_candidate(dossier, settings) == uri
    version = connect(settings).get_model_version(f"{name}-candidates", "1")
    assert version.tags["dossier"] == dossier.sha256
    assert version.tags["dataset_md5"] == dossier.dataset_md5
    assert registry.champion(name, settings) is None


def test_a_dossier_whose_gates_failed_is_kept_but_never_registered(settings, name):
    with pytest.raises(Refused, match=r"accuracy must be at least 0\.9"):
        candidate(settings, name, recipe={"gates": [{"metric": "accuracy", "at_least": 0.9}]})
    (folder,) = (Path(settings.artifacts) / "dossiers").iterdir()
    dossier = dossiers.read(str(folder), settings)
    with pytest.raises(Refused, match=r"accuracy must be at least 0\.9"):
        registry.register(dossier.run_uri, {"dossier": str(folder)})


def test_the_champion_loads_in_a_fresh_process_without_this_tree(settings, name, tmp_path):
    dossier, version = released(settings, name)
    code = (
        "import json, mlflow, sys; mlflow.set_tracking_uri(sys.argv[1]);"
        "model = mlflow.pyfunc.load_model(f'models:/{sys.argv[2]}@champion');"
        "print(json.dumps(model.predict([json.loads(sys.argv[3])])))"
    )
    command = [sys.executable, "-c", code, settings.mlflow_url, name, json.dumps(ROW)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    evaluated = read_json(Path(dossier.artifacts["report"].uri) / "report.json")["examples"][0]
    answer = json.loads(done.stdout.splitlines()[-1])[0]
    assert answer["prediction"] == evaluated["prediction"]
    assert answer["probability"] == pytest.approx(evaluated["probability"], abs=1e-3)
    assert registry.champion(name, settings).version == version


@pytest.mark.parametrize("damage", ["changed", "missing", "unexpected", "pickle"])
def test_a_registered_model_with_one_wrong_byte_does_not_load(settings, name, damage):
    _, version = released(settings, name)
    import mlflow.artifacts
    import mlflow.pyfunc

    local = Path(mlflow.artifacts.download_artifacts(f"models:/{name}/{version}"))
    weights = local / "artifacts" / "model" / "model.safetensors"
    if damage == "changed":
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)
    elif damage == "missing":
        weights.unlink()
    else:
        (weights.parent / {"unexpected": "more.safetensors", "pickle": "training_args.bin"}[damage]).write_bytes(b"x")
    named = {"unexpected": "more", "pickle": "training_args"}.get(damage, "model")
    with pytest.raises(ValueError, match=f"refused to load .*{named}"):
        mlflow.pyfunc.load_model(str(local))


def test_a_changed_byte_of_the_promoted_folder_is_named(settings, name):
    released(settings, name)
    weights = registry.champion(name, settings).folder / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    with pytest.raises(ScriptoriumError, match=r"model\.safetensors"):
        registry.champion(name, settings)
    assert any("model.safetensors" in problem for problem in audit(name, settings)["problems"])


def test_a_second_release_compares_with_the_first_and_replaces_it(settings, name):
    released(settings, name)
    held = registry.champion(name, settings)
    second, version = released(settings, name, run_id="manual__2", seed=2, champion=held.folder, accuracy=0.83)
    assert (second.champion.version, version) == ("1", "2")
    assert registry.champion(name, settings).digest == second.model.digest
    found = audit(name, settings)
    assert (found["champion"], found["problems"]) == ("version 2", [])
    assert found["dataset"].endswith(second.dataset_md5)


def test_two_candidates_approved_at_once_do_not_overwrite_each_other(settings, name):
    one, one_uri = candidate(settings, name)
    other, other_uri = candidate(settings, name, run_id="manual__2", seed=2)
    promote.release(one, review_of(one, one_uri), settings)
    with pytest.raises(Refused, match="held by 1, but the approved dossier compared with nobody"):
        promote.release(other, review_of(other, other_uri), settings)
    assert registry.champion(name, settings).digest == one.model.digest


def test_the_same_bytes_again_keep_their_version_and_are_reaffirmed(settings, name):
    released(settings, name)
    held = registry.champion(name, settings)
    _, version = released(settings, name, run_id="manual__2", champion=held.folder, accuracy=0.79)
    assert version == held.version
    events = [entry.event for entry in ledger.read(ledger.ledger_path(name, settings))]
    assert events == ["promoted", "reaffirmed"]


@pytest.mark.parametrize("done", range(5))
def test_a_promotion_killed_after_any_action_is_finished_by_another(settings, name, done):
    dossier, uri = candidate(settings, name)
    review, path = review_of(dossier, uri), ledger.ledger_path(name, settings)
    part = registry.production_folder(name, dossier.model.digest, settings)
    part.with_name(f".{part.name}.part").mkdir(parents=True)
    actions = [
        lambda: promote.copy_bytes(dossier, settings),
        lambda: registry.register_promoted(part, dossier, "reviewer", settings),
        lambda: registry.move_champion(dossier, "1", settings),
        lambda: ledger.append(path, "promoted", dossier.sha256, {**facts(review, dossier), "version": "1"}),
    ]
    for action in actions[:done]:
        action()
    assert promote.release(dossier, review, settings) == "1"
    assert promote.release(dossier, review, settings) == "1"
    assert registry.champion(name, settings).digest == dossier.model.digest
    assert [entry.event for entry in ledger.read(path)] == ["promoted"]
    assert audit(name, settings)["problems"] == []
    assert "challenger" not in registry.aliases(connect(settings), f"{name}-candidates")


def test_an_old_promotion_run_again_does_not_bring_the_old_champion_back(settings, name):
    first, uri = candidate(settings, name)
    promote.release(first, review_of(first, uri), settings)
    held = registry.champion(name, settings)
    released(settings, name, run_id="manual__2", seed=2, champion=held.folder, accuracy=0.83)
    promote.release(first, review_of(first, uri), settings)
    assert registry.champion(name, settings).version == "2"
    assert audit(name, settings)["problems"] == []


def test_a_refusal_leaves_the_champion_and_is_in_the_audit(settings, name):
    dossier, uri = candidate(settings, name)
    review = review_of(dossier, uri, "rejected")
    write_review(review, settings)
    path = ledger.ledger_path(name, settings)
    ledger.append(path, review.decision, review.dossier, facts(review, dossier))
    show_in_mlflow(review, dossier, ledger.verify(path), settings)
    found = audit(name, settings)
    assert registry.champion(name, settings) is None
    assert (found["refusals"][0]["reviewer"], found["refusals"][0]["reason"]) == ("reviewer", "reads well")
    assert found["problems"] == []
    assert connect(settings).get_run(dossier.mlflow_run).data.tags["review.decision"] == "rejected"


def test_an_alias_moved_by_hand_and_a_ledger_cut_short_are_problems(settings, name):
    released(settings, name)
    held = registry.champion(name, settings)
    released(settings, name, run_id="manual__2", seed=2, champion=held.folder, accuracy=0.83)
    connect(settings).set_registered_model_alias(name, "champion", "1")
    assert "champion is held by version 1, but the ledger says version 2" in audit(name, settings)["problems"][0]
    path = ledger.ledger_path(name, settings)
    path.write_text(path.read_text().splitlines(keepends=True)[0])
    assert "lacks its last entries" in audit(name, settings)["problems"][0]


def test_a_model_that_answers_otherwise_than_evaluated_is_not_promoted(settings, name):
    files, examples = classifier(settings.home / "model", 1)
    wrong = [examples[0] | {"probability": 1 - examples[0]["probability"] + 0.2}]
    run_uri, report = finished_run(settings, "manual__1", model=files, examples=wrong, recipe={"name": name})
    uri = check_gates(run_uri, {"report": report})
    dossier = dossiers.read(uri, settings)
    registered = registry.register(run_uri, {"dossier": uri})
    with pytest.raises(Refused, match="which was evaluated as"):
        promote.release(dossier, review_of(dossier, registered), settings)
    assert registry.champion(name, settings) is None


def test_an_mlflow_that_does_not_answer_is_named(tmp_path):
    settings = read_settings({"SCRIPTORIUM_HOME": str(tmp_path), "SCRIPTORIUM_MLFLOW_URL": "http://127.0.0.1:9"})
    with pytest.raises(TryAgain, match=r"MLflow does not answer at http://127\.0\.0\.1:9"):
        registry.champion("checker", settings)
