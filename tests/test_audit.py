"""The audit tells the whole story of a champion, and says what does not agree with it."""

import json
import subprocess
import sys

import pytest

from pipelines import ledger
from pipelines.audit import audit
from pipelines.champion import champion, write_down
from pipelines.errors import ScriptoriumError
from pipelines.review import facts, show_in_mlflow, write_review
from pipelines.settings import ROOT
from pipelines.tracking import connect
from tests.promotions import candidate, released, review_of

pytestmark = pytest.mark.service


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_a_refusal_leaves_the_champion_and_is_in_the_audit(mlflow_settings, product):
    dossier, uri = candidate(mlflow_settings, product)
    review = review_of(dossier, uri, "rejected")
    write_review(review, mlflow_settings)
    write_down("rejected", dossier, facts(review, dossier), mlflow_settings)
    show_in_mlflow(review, dossier, mlflow_settings)
    found = audit(product, mlflow_settings)
    assert champion(product, mlflow_settings) is None
    assert (found["refusals"][0]["reviewer"], found["refusals"][0]["reason"]) == ("reviewer", "reads well")
    assert found["problems"] == []
    assert connect(mlflow_settings).get_run(dossier.mlflow_run).data.tags["review.decision"] == "rejected"


def test_an_alias_moved_by_hand_and_a_ledger_cut_short_are_problems(mlflow_settings, product):
    released(mlflow_settings, product)
    held = champion(product, mlflow_settings)
    second, _ = released(mlflow_settings, product, run_id="manual__2", seed=2, champion=held.folder, accuracy=0.83)
    connect(mlflow_settings).set_registered_model_alias(product, "champion", "1")
    problems = audit(product, mlflow_settings)["problems"]
    assert f"champion of {product} is held by version 1, but the ledger says version 2" in problems[0]
    path = ledger.ledger_path(product, mlflow_settings)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    assert "lacks its last entries" in audit(product, mlflow_settings)["problems"][0]
    with pytest.raises(ScriptoriumError, match="lacks its last entries"):
        champion(product, mlflow_settings)
    with pytest.raises(ScriptoriumError, match="lacks its last entries"):
        write_down("rejected", second, {}, mlflow_settings)


def test_a_script_learns_from_the_exit_code_that_something_is_wrong(mlflow_settings, product):
    released(mlflow_settings, product)
    assert command("audit", product).returncode == 0
    path = ledger.ledger_path(product, mlflow_settings)
    path.write_text(path.read_text().replace("reads well", "reads badly"))
    found = command("audit", product, "--json")
    assert found.returncode == 1
    assert "the chain is broken" in json.loads(found.stdout)["problems"][0]
    path.write_text("nonsense\n")
    found = command("audit", product, "--json")
    assert found.returncode == 1
    assert json.loads(found.stdout)["champion"].startswith("unknown")


def test_a_product_whose_recipe_is_gone_can_still_be_audited_and_one_that_never_was_is_not_clean(
    mlflow_settings, product
):
    released(mlflow_settings, product)
    typo = command("audit", f"{product}x")
    assert typo.returncode == 10
    assert f"did you mean '{product}'?" in typo.stderr
    (mlflow_settings.recipes / f"{product}.toml").unlink()
    assert command("audit", product).returncode == 0
