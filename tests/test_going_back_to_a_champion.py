"""`scriptorium restore` goes back to a model that was the champion, proved anew, and says who did it and why."""

import json
import subprocess
import sys

import pytest

from pipelines import forgotten, ledger, registry
from pipelines.audit import audit
from pipelines.champion import champion, promoted_folder
from pipelines.errors import Refused, ScriptoriumError
from pipelines.promote import release
from pipelines.reconcile import reconcile
from pipelines.restore import chosen, require_unforgotten, restore
from pipelines.settings import ROOT, read_settings
from pipelines.tracking import connect
from tests.evidence import dossier_of
from tests.promotions import candidate, released, review_of


def entry(event, version, **facts):
    return ledger.Entry(event=event, dossier=version, facts={"version": version, **facts})


@pytest.mark.parametrize(
    ("events", "before"),
    [
        ("promoted 1, promoted 2", "1"),
        ("promoted 1, promoted 2, restored 1, promoted 3", "1"),
        ("promoted 1, promoted 2, promoted 3, restored 2", "1"),
        ("promoted 1, promoted 2, reaffirmed 2", "1"),
        ("promoted 1, promoted 2, restored 1, restored 2", "1"),
        ("promoted 1, promoted 2, promoted 3, restored 1, restored 3", "1"),
    ],
)
def test_the_champion_before_is_never_one_that_was_restored_away_from(events, before):
    assert chosen("x", None, [entry(*one.split()) for one in events.split(", ")]).facts["version"] == before


def test_bytes_that_were_registered_anew_are_of_the_promotion_that_they_had():
    known = [entry("promoted", "1"), entry("promoted", "2"), entry("restored", "4", again="2")]
    assert ledger.promotion(known, "4") == known[1]
    assert ledger.line(known) == ["1", "4"]


def test_a_model_that_learned_forgotten_rows_is_not_brought_back(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path))
    settings = read_settings()
    dossier = dossier_of(settings)
    act = dict.fromkeys(("rows", "versions", "runs", "retrain", "gaps"), ())
    require_unforgotten(dossier, settings)
    with forgotten.forgetting(settings):
        told = {"by": "ada", "reason": "GDPR 17", "version": "v", "models": (dossier.sha256,)}
        forgotten.add(forgotten.Forgotten(**told, **act), settings)
    with pytest.raises(Refused, match=r"learned from rows that were forgotten .*GDPR 17"):
        require_unforgotten(dossier, settings)


@pytest.fixture(scope="module")
def product():
    return "restored"


@pytest.fixture(scope="module")
def mlflow_settings(tmp_path_factory, mlflow_url):
    """One home for all tests of this file: what is restored is made once."""
    home = tmp_path_factory.mktemp("restored")
    (home / "recipes").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCRIPTORIUM_HOME", str(home))
        patch.setenv("SCRIPTORIUM_RECIPES", str(home / "recipes"))
        patch.setenv("SCRIPTORIUM_MLFLOW_URL", mlflow_url)
        yield read_settings()


@pytest.fixture(scope="module")
def dossiers(mlflow_settings, product):
    """Those of a model whose version 2 took the place of version 1."""
    first, _ = released(mlflow_settings, product)
    held = champion(product, mlflow_settings)
    second, _ = released(mlflow_settings, product, run_id="manual__2", seed=2, champion=held.folder, accuracy=0.83)
    return first, second


@pytest.fixture
def two(dossiers, mlflow_settings, product):
    """The dossiers, with version 2 as the champion, whatever the test before did."""
    back(product, mlflow_settings, "2")
    return dossiers


def back(product, settings, version=None):
    return restore(product, version, "ada", "it invents prices", settings)


@pytest.mark.service
def test_the_champion_before_is_the_champion_again_and_the_audit_says_who_did_it_and_why(
    two, mlflow_settings, product, capsys
):
    assert back(product, mlflow_settings) == "1"
    assert champion(product, mlflow_settings).digest == two[0].model.digest
    assert "answers example" in capsys.readouterr().out
    found = audit(product, mlflow_settings)
    assert (found["champion"], found["problems"]) == ("version 1", [])
    assert "by ada, instead of version 2: it invents prices" in found["restored"]
    assert (found["reviewer"], found["dossier"]) == ("reviewer", two[0].sha256)


@pytest.mark.service
def test_twice_is_once_and_there_and_back_again_is_told_each_time(two, mlflow_settings, product, capsys):
    for version in ("1", "1", "2", "1"):
        assert back(product, mlflow_settings, version) == version
    assert "version 1 is the champion already" in capsys.readouterr().out
    entries = ledger.read(ledger.ledger_path(product, mlflow_settings))
    assert [e.facts["version"] for e in entries if e.event == "restored"][-3:] == ["1", "2", "1"]
    with pytest.raises(Refused, match=f"{product} had no champion before version 1; --to goes to one of: 1, 2"):
        back(product, mlflow_settings)


@pytest.mark.service
def test_a_version_that_never_was_the_champion_is_refused_by_name(two, mlflow_settings, product):
    connect(mlflow_settings).copy_model_version(f"models:/{product}-candidates/2", product)
    for version in ("3", "latest", "champion", "01"):
        with pytest.raises(Refused, match=f"version {version} never was the champion; --to goes to one of: 1, 2"):
            back(product, mlflow_settings, version)
    assert registry.holder(connect(mlflow_settings), product) == "2"


@pytest.mark.service
def test_a_champion_whose_bytes_changed_is_not_brought_back(two, mlflow_settings, product):
    entry = ledger.promotion(ledger.read(ledger.ledger_path(product, mlflow_settings)), "1")
    weights = promoted_folder(product, entry, mlflow_settings) / "model" / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ScriptoriumError, match=r"model\.safetensors"):
        back(product, mlflow_settings)
    assert registry.holder(connect(mlflow_settings), product) == "2"
    weights.write_bytes(content)


@pytest.mark.service
def test_ended_between_alias_and_ledger_nobody_compares_with_it_until_it_is_finished_by_another(
    two, mlflow_settings, product
):
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr("pipelines.restore.record", lambda *_: sys.exit(9))
        back(product, mlflow_settings)
    with pytest.raises(ScriptoriumError, match="held by version 1, but the ledger says version 2"):
        champion(product, mlflow_settings)
    assert back(product, mlflow_settings) == "1"
    assert champion(product, mlflow_settings).digest == two[0].model.digest


@pytest.mark.service
def test_an_alias_that_was_moved_elsewhere_is_brought_home_by_naming_todays_champion(two, mlflow_settings, product):
    registry.set_champion(product, "1", mlflow_settings)
    assert back(product, mlflow_settings, "2") == "2"
    assert audit(product, mlflow_settings)["problems"] == []


@pytest.mark.service
def test_what_was_compared_with_the_champion_before_the_restore_is_not_promoted_after_it(two, mlflow_settings, product):
    held = champion(product, mlflow_settings)
    third, uri = candidate(mlflow_settings, product, run_id="manual__3", seed=3, champion=held.folder, accuracy=0.86)
    back(product, mlflow_settings)
    with pytest.raises(Refused, match="held by 1, but the approved dossier compared with 2"):
        release(third, review_of(third, uri), mlflow_settings)
    # Nor does an old promotion that is run again bring back what was restored away from.
    assert release(two[1], review_of(two[1], f"models:/{product}-candidates/2"), mlflow_settings) == "2"
    assert champion(product, mlflow_settings).version == "1"


@pytest.mark.service
def test_the_command_answers_mistakes_and_scripts(two, mlflow_settings, product):
    def run(*arguments):
        command = [sys.executable, "-m", "pipelines.cli", "restore", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    without = run(product, "--reason", " ")
    assert (without.returncode, "needs a reason" in without.stderr) == (10, True)
    done = run(product, "--reason", "it invents prices", "--json")
    assert json.loads(done.stdout) == {"model": product, "champion": "1"}
    assert run(f"{product}x", "--reason", "no such model").returncode == 10


@pytest.mark.service
def test_a_champion_that_was_deleted_from_mlflow_is_reported_once_and_its_bytes_are_registered_anew(
    two, mlflow_settings, product
):
    connect(mlflow_settings).delete_model_version(product, "2")
    for _ in range(2):
        (told,) = reconcile(mlflow_settings)
        assert "version 2, the champion, is not in MLflow any more; bring its bytes back: scriptorium restore" in told
    assert told in audit(product, mlflow_settings)["problems"]
    version = back(product, mlflow_settings, "2")
    assert int(version) > 2
    assert champion(product, mlflow_settings).digest == two[1].model.digest
    found = audit(product, mlflow_settings)
    assert (found["problems"], found["reviewer"], found["dossier"]) == ([], "reviewer", two[1].sha256)
    assert reconcile(mlflow_settings) == []
    assert back(product, mlflow_settings, version) == version
    assert back(product, mlflow_settings) == "1"
