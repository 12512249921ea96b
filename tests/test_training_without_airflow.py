"""`scriptorium train` judges as the DAG does: what it cannot find out does not pass."""

import json
import os
import subprocess
import sys

import pytest

from pipelines.dataset import current_md5
from pipelines.settings import ROOT, read_settings
from tests.evidence import RECIPE, finished_run


@pytest.fixture
def trained(tmp_path):
    """`train` on a recipe whose every step is already made, so that only judging is left; its exit code and JSON."""
    (tmp_path / "checker.toml").write_text("seed = 1\n" + RECIPE)
    environ = {"SCRIPTORIUM_HOME": str(tmp_path / "home"), "SCRIPTORIUM_RECIPES": str(tmp_path)}
    finished_run(read_settings(environ), "prepared", dataset_md5=current_md5())

    def train(**more):
        command = [sys.executable, "-m", "pipelines.cli", "train", "checker", "--json"]
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | environ | more, capture_output=True, text=True, check=False
        )
        return done.returncode, json.loads(done.stdout), done.stderr

    return train


def test_a_champion_that_cannot_be_asked_for_is_not_taken_for_a_first_release(trained):
    code, found, said = trained(SCRIPTORIUM_MLFLOW_URL="http://127.0.0.1:9")
    outcomes = {gate["condition"].split(" by ")[0]: gate["outcome"] for gate in found["gates"]}
    assert outcomes["not below the champion"] == "error"
    assert list(outcomes.values()).count("pass") == 2
    assert code == 10
    assert "champion" not in found["report"]
    assert "MLflow does not answer at http://127.0.0.1:9" in said


@pytest.mark.service
def test_a_first_release_has_no_champion_to_be_below(trained, mlflow_url):
    code, found, _ = trained(SCRIPTORIUM_MLFLOW_URL=mlflow_url)
    assert {gate["outcome"] for gate in found["gates"]} == {"pass"}
    assert (code, found["report"]["champion"]) == (0, None)
