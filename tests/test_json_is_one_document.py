"""With --json, standard output is one JSON document, whatever else there is to say; all that goes to standard error."""

import json
import os
import subprocess
import sys

from typer.main import get_command

from pipelines.cli import app
from pipelines.data_version import version_of, write_version
from pipelines.settings import ROOT

LOUD = """
import subprocess, sys
from pipelines import terminal
with terminal.aside(as_json=sys.argv[1] == "yes"):
    print("the step speaks")
    subprocess.run(["echo", "its child speaks"], check=True)
terminal.document({"answer": 1})
"""


def run(*command, **environ):
    environment = os.environ | environ
    return subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True)


def test_what_a_step_and_its_children_say_is_set_aside():
    result = run("-c", LOUD, "yes")
    assert json.loads(result.stdout) == {"answer": 1}
    assert result.stderr == "the step speaks\nits child speaks\n"


def test_without_it_all_is_said_on_standard_output():
    result = run("-c", LOUD, "no")
    assert result.stdout.startswith("the step speaks\nits child speaks\n")
    assert result.stderr == ""


def test_a_plan_is_one_document_without_mlflow_too(tmp_path):
    environ = {"SCRIPTORIUM_HOME": str(tmp_path), "SCRIPTORIUM_MLFLOW_URL": "http://127.0.0.1:9"}
    result = run("-m", "pipelines.cli", "plan", "summary_checker", "--json", **environ)
    assert [row["stage"] for row in json.loads(result.stdout)][:2] == ["dataset", "validate"]
    assert "nothing is compared with it" in result.stderr


def test_the_proof_of_the_data_is_one_document(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jsonl").write_text("{}\n")
    version = version_of(tmp_path / "data")
    write_version(version, tmp_path / "data", tmp_path / "data.dvc")
    environ = {"SCRIPTORIUM_HOME": str(tmp_path / "home"), "SCRIPTORIUM_DATA": str(tmp_path / "data")}
    result = run("-m", "pipelines.cli", "data", "verify", "--json", **environ)
    assert json.loads(result.stdout) == {"md5": version.md5}


def test_every_command_that_answers_has_it():
    commands = get_command(app).commands
    answering = [commands[n] for n in ("status", "doctor", "train", "plan", "trigger", "review", "audit")]
    answering.append(commands["data"].commands["verify"])
    assert [c.name for c in answering if not any("--json" in option.opts for option in c.params)] == []
