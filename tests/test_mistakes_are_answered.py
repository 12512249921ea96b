"""A user's mistake is answered by one message with its cure and an exit code, never by a traceback."""

import io
import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipelines.errors import Refused
from pipelines.json_lines import open_text
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


@pytest.mark.parametrize("command", [("audit",), ("predict", "--input", "-")])
def test_a_wrong_recipe_name_gets_the_near_miss_before_any_service_is_asked(scriptorium, command):
    result = scriptorium(*command, "sumary_checker", SCRIPTORIUM_MLFLOW_URL="http://127.0.0.1:9")
    refused(result, "no recipe 'sumary_checker'", "did you mean 'summary_checker'?")


def test_a_wrong_recipe_key_gets_the_near_miss(scriptorium):
    refused(scriptorium("plan", "summary_checker", "--set", "finetune.epoch=3"), "did you mean 'epochs'?")


def test_services_do_not_start_with_a_recipe_that_cannot_be_read(scriptorium, tmp_path):
    (tmp_path / "mine.toml").write_text('name = "mine"\nepochs = 3\n')
    result = scriptorium("up", SCRIPTORIUM_RECIPES=str(tmp_path))
    refused(result, "mine.toml: unknown key 'epochs'", "mine.toml: description is missing")
    assert not (tmp_path / "home" / "airflow").exists()


ABLE = "allowed: admin, engineer, reviewer, second_reviewer;"


def recipe_reviewed_by(name, folder):
    shipped = (ROOT / "pipelines" / "recipes" / "summary_checker.toml").read_text()
    (folder / "summary_checker.toml").write_text(shipped.replace('["reviewer", "second', f'["{name}", "second'))


@pytest.mark.parametrize("name", ["alice", "promoter"])
def test_services_do_not_start_for_a_reviewer_who_could_not_answer(scriptorium, tmp_path, name):
    recipe_reviewed_by(name, tmp_path)
    result = scriptorium("up", SCRIPTORIUM_RECIPES=str(tmp_path))
    refused(
        result,
        f"summary_checker: reviewer '{name}' cannot answer",
        "allowed: admin, engineer, reviewer, second_reviewer;",
        "[users]",
    )
    assert not (tmp_path / "home" / "airflow").exists()


def test_a_run_ends_at_its_start_for_a_reviewer_who_could_not_answer(scriptorium, tmp_path):
    recipe_reviewed_by("alice", tmp_path)
    arguments = ("recipe=summary_checker", "run=r1", "form={}", "requester=me")
    result = scriptorium("step", "freeze", *arguments, SCRIPTORIUM_RECIPES=str(tmp_path))
    refused(
        result,
        "summary_checker: reviewer 'alice' cannot answer",
        "allowed: admin, engineer, reviewer, second_reviewer;",
    )
    elsewhere = {"SCRIPTORIUM_RECIPES": str(tmp_path), "SCRIPTORIUM_AIRFLOW_URL": "https://airflow.example"}
    assert scriptorium("step", "freeze", *arguments, **elsewhere).returncode == 0


def test_an_unknown_trigger_parameter_is_refused_before_airflow_is_asked(scriptorium):
    refused(scriptorium("trigger", "summary_checker", "--set", "epoch=3"), "unknown parameter 'epoch'", "'epochs'")


def test_the_dag_refuses_an_unknown_parameter_too(scriptorium):
    form = json.dumps({"epoch": 3})
    result = scriptorium("step", "freeze", "recipe=summary_checker", "run=r1", f"form={form}", "requester=me")
    refused(result, "unknown parameter 'epoch'", "did you mean 'epochs'?")


@pytest.mark.parametrize("command", ["plan", "trigger"])
def test_a_refresh_that_is_neither_true_nor_false_is_refused(scriptorium, command):
    refused(scriptorium(command, "summary_checker", "--set", "refresh=no"), "refresh is 'no'", "true or false")


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


def test_a_home_that_cannot_be_written_is_named_with_the_setting(scriptorium, tmp_path):
    (tmp_path / "file").write_text("")
    form = ["recipe=summary_checker", "run=r1", "form={}", "requester=me"]
    for home in (tmp_path / "file", Path("/proc/nowhere")):
        result = scriptorium("step", "freeze", *form, SCRIPTORIUM_HOME=str(home))
        assert result.returncode == 1
        assert "Traceback" not in result.stderr
        assert result.stderr.startswith(f"error: {home}")
        assert "set SCRIPTORIUM_HOME to a folder that can be written" in result.stderr


def test_input_that_cannot_be_read_is_refused_before_a_model_is_asked_for(scriptorium, tmp_path):
    mine = "predict", "summary_checker", "--input"
    refused(scriptorium(*mine, str(tmp_path)), f"{tmp_path} cannot be read: Is a directory", "JSON lines")
    refused(scriptorium(*mine, str(tmp_path / "none")), "No such file or directory", "JSON lines")


@pytest.mark.parametrize("source", ["-", "file"])
def test_input_that_is_not_utf8_is_refused_with_its_line(monkeypatch, tmp_path, source):
    content = '{"text_a": "é"}\n'.encode() + b'{"text_a": "\xe9"}\n'
    (tmp_path / "file").write_bytes(content)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="ascii"))
    name, lines = open_text(source if source == "-" else str(tmp_path / source))
    assert next(lines) == '{"text_a": "é"}\n'
    with pytest.raises(Refused, match=rf"{name}, line 2: byte 13 is not UTF-8.*iconv"):
        next(lines)


@pytest.mark.service
def test_an_mlflow_that_fails_is_answered_and_may_be_tried_again(scriptorium, mlflow_that_fails):
    for answers, words in ((500, "answers 500"), (200, "MLflow failed to answer")):
        result = scriptorium("audit", "summary_checker", **mlflow_that_fails(answers))
        assert "Traceback" not in result.stderr
        assert result.returncode == 75
        assert words in result.stderr.splitlines()[-1]
        assert "mlflow.log" in result.stderr.splitlines()[-1]


@pytest.fixture
def mlflow_that_fails():
    """An MLflow whose API answers 500 to everything; its health page answers what is asked for."""
    health = []

    class Failing(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(health[-1] if self.path == "/health" else 500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Failing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def environment(answer):
            health.append(answer)
            url = f"http://127.0.0.1:{server.server_port}"
            return {"SCRIPTORIUM_MLFLOW_URL": url, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}

        yield environment
        server.shutdown()


def test_a_bug_is_one_line_and_its_traceback_is_kept(tmp_path):
    script = (
        "import sys; from pipelines import cli; cli.app = lambda: {}['a word ' * 100];"
        "sys.argv = ['scriptorium']; cli.main()"
    )
    environment = os.environ | {"SCRIPTORIUM_HOME": str(tmp_path / "home")}
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode == 1
    assert re.fullmatch(r"error: this is a bug: KeyError: .{1,80}; the traceback is in .*\n", result.stderr)
    kept = Path(result.stderr.strip().split("the traceback is in ")[1])
    assert kept.parent == tmp_path / "home" / "logs"
    assert "Traceback" in kept.read_text()
