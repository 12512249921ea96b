"""`scriptorium reconcile` brings MLflow's registry back to what the ledger says, and writes down what it undid."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from pipelines import ledger, promote, registry
from pipelines.audit import audit
from pipelines.champion import champion
from pipelines.reconcile import misplaced, reconcile, undone
from pipelines.restore import restore
from pipelines.settings import ROOT
from pipelines.tracking import connect
from tests.promotions import candidate, released, review_of


def test_only_the_alias_in_its_own_spelling_at_the_version_of_the_ledger_stays():
    assert misplaced({"champion": "2", "challenger": "5", "best": "1"}, "2") == {}
    assert misplaced({"champion": "1"}, "2") == {"champion": "2"}
    assert misplaced({}, "2") == {"champion": "2"}
    assert misplaced({"champion": "1"}, None) == {"champion": None}
    assert misplaced({"champion": "2", "Champion": "2", "CHAMPION": "1"}, "2") == {"Champion": None, "CHAMPION": None}
    assert misplaced({}, None) == {}


@pytest.mark.service
def test_a_champion_moved_by_hand_is_brought_back_and_the_audit_says_so(mlflow_settings, product):
    released(mlflow_settings, product)
    held = champion(product, mlflow_settings)
    released(mlflow_settings, product, run_id="manual__2", seed=2, champion=held.folder, accuracy=0.83)
    client = connect(mlflow_settings)
    client.set_registered_model_alias(product, "champion", "1")
    client.set_registered_model_alias(product, "Champion", "1")
    told = reconcile(mlflow_settings)
    assert told == [
        f"{product}: alias {spelt} is held by version 1, which no entry of the ledger explains; {cure}"
        for spelt, cure in (("Champion", "taken away"), ("champion", "given back to version 2"))
    ]
    assert registry.aliases_of(product, mlflow_settings) == {"champion": "2"}
    found = audit(product, mlflow_settings)
    assert (len(found["undone"]), found["problems"], found["champion"]) == (2, [], "version 2")
    client.delete_registered_model_alias(product, "champion")
    command = [sys.executable, "-m", "pipelines.cli", "reconcile", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, "given back to version 2" in json.loads(done.stdout)["undone"][0]) == (1, True)
    assert reconcile(mlflow_settings) == []


@pytest.mark.service
def test_a_version_that_promotion_did_not_make_is_taken_out_with_its_alias(mlflow_settings, product):
    """Though not before the hour in which a promotion on another machine may have yet to write it down."""
    dossier, uri = candidate(mlflow_settings, product)
    client = connect(mlflow_settings)
    client.copy_model_version(uri, product)
    client.set_registered_model_alias(product, "champion", "1")
    now = datetime.now(UTC)
    (moved,) = undone(product, mlflow_settings, now)
    assert moved.what == "alias champion is held by version 1"
    (strange,) = undone(product, mlflow_settings, now + timedelta(hours=2))
    assert "version 1 was registered by" in strange.what
    assert f"from 'models:/{product}-candidates/1'" in strange.what
    assert registry.versions_of(product, mlflow_settings) == []
    assert promote.release(dossier, review_of(dossier, uri), mlflow_settings) == "2"
    assert undone(product, mlflow_settings, now + timedelta(hours=2)) == []


@pytest.mark.service
def test_a_promotion_killed_between_the_alias_and_the_ledger_is_undone_and_ends_well_when_run_again(
    mlflow_settings, product, monkeypatch
):
    dossier, uri = candidate(mlflow_settings, product)
    with monkeypatch.context() as patch:
        patch.setattr(promote, "record", lambda *_: sys.exit(9))
        with pytest.raises(SystemExit):
            promote.release(dossier, review_of(dossier, uri), mlflow_settings)
    assert registry.aliases_of(product, mlflow_settings) == {"champion": "1"}
    assert len(reconcile(mlflow_settings)) == 1
    assert registry.aliases_of(product, mlflow_settings) == {}
    assert promote.release(dossier, review_of(dossier, uri), mlflow_settings) == "1"
    assert champion(product, mlflow_settings).digest == dossier.model.digest


@pytest.mark.service
def test_a_model_that_was_deleted_and_made_anew_under_the_same_number_is_not_taken_for_it(mlflow_settings, product):
    released(mlflow_settings, product)
    client = connect(mlflow_settings)
    client.delete_registered_model(product)
    client.create_registered_model(product)
    client.create_model_version(product, f"models:/{product}-candidates/1")
    client.set_registered_model_alias(product, "champion", "1")
    told = reconcile(mlflow_settings)
    assert ("version 1 was registered by" in told[0], told[0].endswith("deleted from the registry")) == (True, True)
    assert "version 1, the champion, is not in MLflow any more" in told[1]
    assert len(told) == 2
    assert restore(product, "1", "ada", "MLflow was emptied", mlflow_settings) == "2"
    assert reconcile(mlflow_settings) == []
    assert audit(product, mlflow_settings)["problems"] == []


@pytest.mark.service
def test_a_broken_ledger_is_reported_and_nothing_is_undone_by_it(mlflow_settings, product):
    released(mlflow_settings, product)
    path = ledger.ledger_path(product, mlflow_settings)
    path.write_text(path.read_text().replace("reads well", "reads badly"))
    connect(mlflow_settings).delete_registered_model_alias(product, "champion")
    (told,) = reconcile(mlflow_settings)
    assert "the chain is broken" in told
    assert registry.aliases_of(product, mlflow_settings) == {}
