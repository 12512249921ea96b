"""`scriptorium dossier` shows the evidence for one decision, and proves it byte by byte or says what is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import dossier as dossiers
from pipelines import evidence
from pipelines.dossier import DOSSIER
from pipelines.errors import Refused
from pipelines.settings import ROOT, read_settings
from tests.evidence import dossier_of


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path))
    return read_settings()


@pytest.fixture
def written(settings):
    dossier = dossier_of(settings)
    dossiers.write(dossier, settings)
    return dossier


def command(*arguments):
    made = [sys.executable, "-m", "pipelines.cli", "dossier", *arguments]
    return subprocess.run(made, cwd=ROOT, capture_output=True, text=True, check=False)


def wrong(dossier):
    return {check.what: check.problem for check in evidence.checks(dossier) if check.problem}


def test_an_untouched_dossier_is_proved_and_every_artifact_is_looked_at(written):
    assert wrong(written) == {}
    assert set(written.artifacts) < {check.what for check in evidence.checks(written)}


@pytest.mark.parametrize(
    ("name", "file", "also"),
    [
        ("tuned", "model/model.safetensors", {"model"}),
        ("report", "report.json", {"gates"}),
        ("validation", "validation.html", set()),
    ],
)
def test_one_changed_byte_is_named_by_its_artifact_and_file(written, name, file, also):
    path = Path(written.artifacts[name].uri) / file
    path.write_bytes(path.read_bytes().replace(b"0.8", b"0.6") + b" ")
    found = wrong(written)
    assert set(found) == {name, *also}
    assert file in found[name]


def test_verdicts_that_its_gates_do_not_give_are_wrong_although_the_seal_is_right(settings):
    dossier = dossier_of(settings, accuracy=0.6)
    kind = dossier.gates[0].model_copy(update={"outcome": "pass"})
    forged = dossier.model_copy(update={"gates": (kind, *dossier.gates[1:])})
    assert set(wrong(forged)) == {"gates"}
    raised = dossier.model_copy(update={"recipe": dossier.recipe | {"seed": 99}})
    assert set(wrong(raised)) == {"recipe"}


def test_a_dossier_is_found_by_the_beginning_of_its_seal_and_by_no_other(written, settings):
    assert evidence.find(written.sha256[:8], settings) == written
    with pytest.raises(Refused, match="there is none"):
        evidence.find("0" * 12, settings)
    path = dossiers.folder(settings) / written.sha256 / DOSSIER
    path.write_text(path.read_text().replace("engineer", "reviewer"))
    with pytest.raises(Refused, match="was changed after it was sealed"):
        evidence.find(written.sha256, settings)


@pytest.mark.slow
def test_the_commands_tell_people_and_scripts(written):
    shown = command("show", written.sha256[:10], "--json")
    assert shown.stdout == written.text
    assert "passes all" in command("show", written.sha256[:10]).stdout
    assert "all of it is as it was sealed" in command("verify", written.sha256).stdout
    (Path(written.model.uri) / "model" / "config.json").write_text("{} ")
    found = command("verify", written.sha256, "--json")
    assert (found.returncode, set(json.loads(found.stdout)["wrong"])) == (1, {"tuned", "model"})
    assert command("verify", "nothing").returncode == 10
