"""`scriptorium gates replay` says what today's gates would have said of every past report, and which ever stop one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.champion import champion
from pipelines.errors import Refused
from pipelines.replay import blocked, replay
from pipelines.settings import ROOT
from tests.promotions import candidate, released, write_recipe

pytestmark = pytest.mark.service


def test_past_models_are_judged_by_the_gates_of_today(mlflow_settings, product):
    first, _ = released(mlflow_settings, product, accuracy=0.75)
    held = champion(product, mlflow_settings)
    with pytest.raises(Refused, match="gates did not pass"):
        candidate(mlflow_settings, product, run_id="manual__2", seed=2, champion=held.folder, accuracy=0.65)
    second, _ = released(mlflow_settings, product, run_id="manual__3", seed=3, champion=held.folder, accuracy=0.83)

    found = replay(product, mlflow_settings)
    assert [one.dossier for one in found][:2] == [first.sha256, second.sha256]
    assert [one.fate.split()[0] for one in found] == ["promoted", "promoted", "stopped"]
    assert not any(one.changed for one in found)

    write_recipe(mlflow_settings, product, at_least=0.8)
    now = replay(product, mlflow_settings)
    assert [one.changed for one in now] == [True, False, False]
    assert blocked(now)["accuracy at least 0.8"] == (2, 3)

    command = [sys.executable, "-m", "pipelines.cli", "gates", "replay", product]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "otherwise today" in told
    assert "accuracy at least 0.8: stops 2 of 3" in told
    (Path(first.artifacts["report"].uri) / "report.json").write_text("{}")
    document = json.loads(subprocess.run([*command, "--json"], cwd=ROOT, capture_output=True, text=True).stdout)
    assert "report.json" in document["dossiers"][0]["problem"]
    assert document["gates"][0]["of"] == 2
