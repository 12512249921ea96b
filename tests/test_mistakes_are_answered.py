"""A user's mistake is answered by one message with its cure and an exit code, never by a traceback."""

import json
import os
import subprocess
import sys

import pytest

from pipelines.settings import ROOT


@pytest.fixture
def scriptorium(tmp_path):
    def run(*arguments, stdin="", **environ):
        command = [sys.executable, "-m", "pipelines.cli", *arguments]
        environment = os.environ | {"SCRIPTORIUM_HOME": str(tmp_path / "home"), "NO_COLOR": "1"} | environ
        return subprocess.run(command, cwd=ROOT, env=environment, input=stdin, capture_output=True, text=True)

    return run


def refused(result, *words):
    assert "Traceback" not in result.stderr
    assert result.returncode == 10, result.stderr
    assert all(word in result.stderr for word in words), result.stderr


def test_a_wrong_recipe_name_gets_the_near_miss(scriptorium):
    refused(scriptorium("plan", "sumary_checker"), "no recipe 'sumary_checker'", "did you mean 'summary_checker'?")


def test_a_wrong_recipe_key_gets_the_near_miss(scriptorium):
    refused(scriptorium("plan", "summary_checker", "--set", "finetune.epoch=3"), "did you mean 'epochs'?")


def test_services_do_not_start_with_a_recipe_that_cannot_be_read(scriptorium, tmp_path):
    (tmp_path / "mine.toml").write_text('name = "mine"\nepochs = 3\n')
    result = scriptorium("up", SCRIPTORIUM_RECIPES=str(tmp_path))
    refused(result, "mine.toml: unknown key 'epochs'", "mine.toml: description is missing")
    assert not (tmp_path / "home" / "airflow").exists()


def recipe_reviewed_by(name, folder):
    shipped = (ROOT / "pipelines" / "recipes" / "summary_checker.toml").read_text()
    (folder / "summary_checker.toml").write_text(shipped.replace('["reviewer"]', f'["{name}"]'))


@pytest.mark.parametrize("name", ["alice", "promoter"])
def test_services_do_not_start_for_a_reviewer_who_could_not_answer(scriptorium, tmp_path, name):
    recipe_reviewed_by(name, tmp_path)
    result = scriptorium("up", SCRIPTORIUM_RECIPES=str(tmp_path))
    refused(
        result, f"summary_checker: reviewer '{name}' cannot answer", "allowed: admin, engineer, reviewer;", "[users]"
    )
    assert not (tmp_path / "home" / "airflow").exists()


def test_a_run_ends_at_its_start_for_a_reviewer_who_could_not_answer(scriptorium, tmp_path):
    recipe_reviewed_by("alice", tmp_path)
    arguments = ("recipe=summary_checker", "run=r1", "form={}", "requester=me")
    result = scriptorium("step", "freeze", *arguments, SCRIPTORIUM_RECIPES=str(tmp_path))
    refused(result, "summary_checker: reviewer 'alice' cannot answer", "allowed: admin, engineer, reviewer;")
    elsewhere = {"SCRIPTORIUM_RECIPES": str(tmp_path), "SCRIPTORIUM_AIRFLOW_URL": "https://airflow.example"}
    assert scriptorium("step", "freeze", *arguments, **elsewhere).returncode == 0


def test_an_unknown_trigger_parameter_is_refused_before_airflow_is_asked(scriptorium):
    refused(scriptorium("trigger", "summary_checker", "--set", "epoch=3"), "unknown parameter 'epoch'", "'epochs'")


def test_the_dag_refuses_an_unknown_parameter_too(scriptorium):
    form = json.dumps({"epoch": 3})
    result = scriptorium("step", "freeze", "recipe=summary_checker", "run=r1", f"form={form}", "requester=me")
    refused(result, "unknown parameter 'epoch'", "did you mean 'epochs'?")


def test_an_unknown_variable_gets_the_near_miss(scriptorium):
    result = scriptorium("plan", "summary_checker", SCRIPTORIUM_AIRFLOW_PROT="8081")
    assert result.returncode == 1
    assert "did you mean 'SCRIPTORIUM_AIRFLOW_PORT'?" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_port_that_is_no_port_is_refused(scriptorium):
    result = scriptorium("status", SCRIPTORIUM_MLFLOW_PORT="web")
    assert result.returncode == 1
    assert "SCRIPTORIUM_MLFLOW_PORT is 'web'" in result.stderr


def test_the_demo_without_a_terminal_says_what_to_add(scriptorium):
    refused(scriptorium("demo"), "REVIEW=approve", "REVIEW=reject")


def test_a_review_is_not_both(scriptorium):
    result = scriptorium("review", "summary_checker", "--approve", "--reject")
    assert result.returncode == 1
    assert "not both" in result.stderr


def test_a_full_disk_is_said_in_one_line():
    """On a real file system of 1 MiB, in a mount namespace of its own."""
    script = (
        "mount -t tmpfs -o size=64k none /mnt && head -c 60k /dev/zero > /mnt/full;"
        f"SCRIPTORIUM_HOME=/mnt/home exec {sys.executable} -m pipelines.cli step freeze"
        " recipe=summary_checker run=r1 'form={}' requester=me"
    )
    result = subprocess.run(["unshare", "-rm", "sh", "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 75, result.stderr
    assert "the disk is full" in result.stderr
    assert "SCRIPTORIUM_HOME" in result.stderr
    assert "Traceback" not in result.stderr
