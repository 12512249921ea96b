"""What is served is what was approved, byte for byte: weights, manifest and code, of the version promoted last."""

import json
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest

from pipelines import promote, registry
from pipelines.artifact import read_json, sha256_file
from pipelines.audit import audit
from pipelines.champion import champion, load
from pipelines.errors import Refused, ScriptoriumError
from pipelines.limits import Limits, Toxicity
from pipelines.model_card import CARD, model_card
from pipelines.pins import pinned_limits
from pipelines.predict import predict_lines
from pipelines.served_model import fetched
from pipelines.toxicity import classifier_folder
from pipelines.tracking import connect
from tests.promotions import ROW, candidate, released, review_of

pytestmark = pytest.mark.service


def predicted(settings, name):
    return list(predict_lines(name, [json.dumps(ROW)], "test", settings))


def stored(settings, name, version, tmp_path_factory):
    """The folder in MLflow's own store from which a version is handed out."""
    place = connect(settings).get_model_version_download_uri(name, version)
    path = urllib.parse.urlparse(place).path.lstrip("/")
    (found,) = (p for p in tmp_path_factory.getbasetemp().glob(f"mlflow[0-9]/files/{path}") if p.is_dir())
    return found


@pytest.fixture
def store(mlflow_settings, product, tmp_path_factory):
    """A champion, and where its bytes lie in MLflow's store."""
    _, version = released(mlflow_settings, product)
    return stored(mlflow_settings, product, version, tmp_path_factory)


def test_the_champion_loads_in_a_fresh_process_without_this_tree(mlflow_settings, product, tmp_path):
    dossier, version = released(mlflow_settings, product)
    code = (
        "import json, mlflow, sys; mlflow.set_tracking_uri(sys.argv[1]);"
        "model = mlflow.pyfunc.load_model(f'models:/{sys.argv[2]}@champion');"
        "print(json.dumps(model.predict([json.loads(sys.argv[3])])))"
    )
    command = [sys.executable, "-c", code, mlflow_settings.mlflow_url, product, json.dumps(ROW)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    evaluated = read_json(Path(dossier.artifacts["report"].uri) / "report.json")["examples"][0]
    answer = json.loads(done.stdout.splitlines()[-1])[0]
    assert answer["prediction"] == evaluated["prediction"]
    assert answer["probability"] == pytest.approx(evaluated["probability"], abs=1e-3)
    assert champion(product, mlflow_settings).version == version
    assert predicted(mlflow_settings, product)[0]["probability"] == pytest.approx(answer["probability"], abs=1e-3)


def test_a_limit_on_toxicity_keeps_to_the_champion_that_its_run_was_decided_with(mlflow_settings, product):
    released(mlflow_settings, product)
    held = pinned_limits(Limits(toxicity=Toxicity(model=product, label="yes")), mlflow_settings).toxicity
    assert held.sha256 == sha256_file(champion(product, mlflow_settings).folder / "model" / "model.safetensors")
    folder = classifier_folder(held, mlflow_settings)
    assert sha256_file(folder / "model.safetensors") == held.sha256
    gone = held.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(Refused, match=f"no {product} has the weights 0000"):
        classifier_folder(gone, mlflow_settings)


@pytest.mark.parametrize("damage", ["changed", "missing", "unexpected", "pickle"])
def test_a_registered_model_with_one_wrong_byte_does_not_load(mlflow_settings, product, damage):
    _, version = released(mlflow_settings, product)
    import mlflow.artifacts
    import mlflow.pyfunc

    local = Path(mlflow.artifacts.download_artifacts(f"models:/{product}/{version}"))
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


def test_a_changed_byte_of_the_promoted_folder_is_named(mlflow_settings, product):
    released(mlflow_settings, product)
    weights = champion(product, mlflow_settings).folder / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    with pytest.raises(ScriptoriumError, match=r"model\.safetensors"):
        champion(product, mlflow_settings)
    assert any("model.safetensors" in problem for problem in audit(product, mlflow_settings)["problems"])


def test_another_model_with_a_manifest_that_fits_is_not_served(mlflow_settings, product, store, tmp_path_factory):
    """Whoever may write to MLflow's store puts there a whole model, which proves itself by its own manifest."""
    held = champion(product, mlflow_settings)
    _, uri = candidate(mlflow_settings, product, "manual__2", seed=2, champion=held.folder, accuracy=0.83)
    theirs = stored(mlflow_settings, f"{product}-candidates", uri.rpartition("/")[2], tmp_path_factory)
    for name in ("artifacts/model/model.safetensors", "artifacts/manifest.json"):
        (store / name).write_bytes((theirs / name).read_bytes())
    with pytest.raises(Refused, match=r"is not what was promoted: artifacts/manifest\.json was changed"):
        predicted(mlflow_settings, product)
    assert "artifacts/manifest.json was changed" in audit(product, mlflow_settings)["problems"][0]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("serving.py", "raise SystemExit('run by whoever asked')\n"),
        ("artifacts/code.zip", "raise SystemExit('run by whoever asked')\n"),
        ("artifacts/sitecustomize.py", "raise SystemExit('run by whoever asked')\n"),
        ("MLmodel", "flavors: {python_function: {loader_module: antigravity}}\n"),
    ],
)
def test_code_that_was_put_beside_the_weights_is_never_run(mlflow_settings, product, store, name, content):
    (store / name).write_text(content)
    with pytest.raises(Refused, match=f"{name} was changed, added or removed"):
        predicted(mlflow_settings, product)
    assert name in audit(product, mlflow_settings)["problems"][0]


def test_the_card_is_among_the_files_of_candidate_and_champion_and_stays_as_it_was_registered(
    mlflow_settings, product, tmp_path_factory
):
    dossier, version = released(mlflow_settings, product)
    client = connect(mlflow_settings)
    for name in (registry.candidates(product), product):
        with fetched(client, name, version, mlflow_settings) as folder:
            assert (folder / CARD).read_text(encoding="utf-8") == model_card(dossier)
        told = client.get_model_version(name, version).description
        assert "passes all 3 gates. accuracy 0.8000" in told
        assert CARD in told
    assert promote.release(dossier, review_of(dossier, f"models:/{product}-candidates/1"), mlflow_settings) == version
    (stored(mlflow_settings, product, version, tmp_path_factory) / CARD).write_text("It never errs.\n")
    with pytest.raises(Refused, match=f"{CARD} was changed"):
        predicted(mlflow_settings, product)


def test_a_file_that_is_gone_from_the_store_is_named(mlflow_settings, product, store):
    (store / "artifacts" / "model" / "model.safetensors").unlink()
    with pytest.raises(Refused, match=r"model\.safetensors was changed, added or removed"):
        predicted(mlflow_settings, product)


def test_a_damaged_copy_is_registered_anew_by_a_run_of_the_same_model(mlflow_settings, product, store):
    (store / "serving.py").write_text("")
    held = champion(product, mlflow_settings)
    _, version = released(mlflow_settings, product, run_id="manual__2", champion=held.folder, accuracy=0.79)
    assert (held.version, version) == ("1", "2")
    assert audit(product, mlflow_settings)["problems"] == []
    assert predicted(mlflow_settings, product)


def test_a_rejected_candidate_that_was_given_the_alias_by_hand_is_not_served(mlflow_settings, product):
    released(mlflow_settings, product)
    held = champion(product, mlflow_settings)
    _, rejected = candidate(mlflow_settings, product, "manual__2", seed=2, champion=held.folder, accuracy=0.83)
    client = connect(mlflow_settings)
    source = client.get_model_version(*rejected.removeprefix("models:/").split("/"))
    tags = client.get_model_version(product, held.version).tags
    forged = client.create_model_version(
        product, source.source, tags=tags, model_id=source.source.removeprefix("models:/")
    )
    client.set_registered_model_alias(product, "champion", forged.version)
    with pytest.raises(ScriptoriumError, match="held by version 2, but the ledger says version 1"):
        predicted(mlflow_settings, product)
    assert "held by version 2" in audit(product, mlflow_settings)["problems"][0]
    with pytest.raises(Refused, match="version 2 was not registered by promote"), load(product, "2", mlflow_settings):
        pass


def test_a_version_made_again_under_the_champions_number_is_not_served(mlflow_settings, product):
    released(mlflow_settings, product)
    held = champion(product, mlflow_settings)
    _, rejected = candidate(mlflow_settings, product, "manual__2", seed=2, champion=held.folder, accuracy=0.83)
    client = connect(mlflow_settings)
    source = client.get_model_version(*rejected.removeprefix("models:/").split("/"))
    client.delete_registered_model(product)
    client.create_registered_model(product)
    forged = client.create_model_version(product, source.source, model_id=source.source.removeprefix("models:/"))
    client.set_registered_model_alias(product, "champion", forged.version)
    assert forged.version == held.version
    with pytest.raises(ScriptoriumError, match="version 1 in MLflow is not what was promoted"):
        predicted(mlflow_settings, product)


def test_a_first_release_needs_no_champion_and_a_product_without_one_says_how_to_get_it(mlflow_settings, product):
    dossier, uri = candidate(mlflow_settings, product)
    with pytest.raises(Refused, match=f"{product} has no champion yet; make one with `scriptorium trigger {product}`"):
        predicted(mlflow_settings, product)
    with pytest.raises(Refused, match=f"no recipe '{product}x' .*did you mean '{product}'"):
        predicted(mlflow_settings, f"{product}x")
    promote.release(dossier, review_of(dossier, uri), mlflow_settings)
    assert registry.holder(connect(mlflow_settings), product) == "1"
