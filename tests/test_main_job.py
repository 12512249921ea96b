"""The main job on real Airflow, MLflow and DVC with real text and the real base model, at a small size.

One small dataset serves all tests of this file, which tell one story in order: a demo whose scheduler is killed, then
its training child and the API server, and then everything with it, is ended by the next one, with a champion; the same
again reuses every training, and its refusal leaves the champion alone.
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pipelines import services as stack
from pipelines.airflow_api import Airflow
from pipelines.artifact import read_manifest
from pipelines.processes import of_home
from pipelines.recipe_file import load_recipe
from pipelines.run import freeze, new_run
from pipelines.server_state import read_state
from pipelines.settings import ROOT, read_settings

pytestmark = [pytest.mark.service, pytest.mark.timeout(1500)]

RECIPE = "summary_checker"
DAG = f"train__{RECIPE}"
# Small batches: a training long enough to be killed between two checkpoints.
SMALL = {
    "batch_tokens = 2048": "batch_tokens = 256",
    "batch_size = 64": "batch_size = 4",
    "tokens = 80_000": "tokens = 4_000",
    "tokens = 110_000": "tokens = 6_000",
    "at_least = 0.74": "at_least = 0.0",
    "at_most = 0.05": "at_most = 1.0",
    "at_most = -0.01": "at_most = 1.0",
    'above = "baseline"': "at_least = 0.1",
    "margin = 0.01": "margin = 1.0",
}
TRAININGS = ("base", "pretrain", "finetune", "finetune_without_pretraining")


@pytest.fixture(scope="module")
def home(tmp_path_factory, free_port):
    """A home, a small part of the real data with its own data.dvc, and a small copy of the real recipe."""
    home = tmp_path_factory.mktemp("main-job")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "SCRIPTORIUM_HOME": home / "home",
            "SCRIPTORIUM_DATA": home / "data",
            "SCRIPTORIUM_RECIPES": home / "recipes",
            "SCRIPTORIUM_AIRFLOW_PORT": free_port(),
            "SCRIPTORIUM_MLFLOW_PORT": free_port(),
            # 120 by default: who is killed here never comes back, so that waiting longer would prove no more.
            "SCRIPTORIUM_TASK_LOST_AFTER": 30,
            "SCRIPTORIUM_CHECKPOINT_EVERY": 1,
        }.items():
            patch.setenv(name, str(value))
        write_small_recipe(home / "recipes")
        scriptorium("data", "build")
        shrink(home / "data")
        yield home
        scriptorium("down")


@pytest.fixture(scope="module")
def settings(home, free_port):
    """The stack, started by hand where the only way out is a proxy that is not there."""
    settings = read_settings()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
        patch.setenv("http_proxy", os.environ["HTTP_PROXY"])
        stack.up(settings)
    return settings


@pytest.fixture(scope="module")
def restarted(settings):
    """The stack, started by hand again."""
    stack.up(settings)
    return settings


def write_small_recipe(folder):
    text = (ROOT / "pipelines" / "recipes" / f"{RECIPE}.toml").read_text()
    for before, after in SMALL.items():
        assert before in text, f"the shipped recipe changed: {before!r} is gone; change this test too"
        text = text.replace(before, after)
    folder.mkdir()
    (folder / f"{RECIPE}.toml").write_text(text)


def shrink(data: Path):
    """Keep the beginning of every file, and take that as the data's version."""
    for path in data.rglob("*.jsonl"):
        rows = path.read_text().splitlines(keepends=True)
        if "corpus" in path.parts:
            held = [row for row in rows if '"split":"heldout"' in row]
            rows = [row for row in rows if '"split":"train"' in row][:600] + held[:40]
        else:
            groups = sorted({json.loads(row).get("group", row) for row in rows})[:40]
            rows = [row for row in rows if json.loads(row).get("group", row) in groups]
        path.write_text("".join(rows))
    from pipelines.dataset import commit_data

    commit_data()


def scriptorium(*arguments, code=0, stdin=None):
    command = [sys.executable, "-m", "pipelines.cli", *arguments]
    result = subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, text=True)
    assert "Traceback" not in result.stderr, result.stderr
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout


def demo(review):
    """A demo of its own process; its output is read at its end."""
    command = [sys.executable, "-m", "pipelines.cli", "demo", "--review", review]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def end_of(process, code=0):
    output = process.communicate(timeout=1400)[0]
    print(output)
    assert "Traceback" not in output, output
    assert process.returncode == code, output
    return output


def until(condition, limit=600):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    pytest.fail(f"it did not happen within {limit} s")


def training_child(name):
    """The process that runs a step of this home, found by its command line."""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if {"step", name} <= set(words) and os.environ["SCRIPTORIUM_HOME"] in " ".join(words):
            return process
    return None


def checkpoints(settings, name):
    found = settings.work.glob(f"{name}/*/checkpoints/checkpoint-*")
    return sorted(found, key=lambda path: int(path.name.split("-")[1]))


def kill(processes):
    for process in processes:
        process.kill()
    psutil.wait_procs(processes, timeout=30)


def server(settings, name):
    return psutil.Process(read_state(settings).servers[name].process.pid)


def test_a_demo_that_is_killed_piece_by_piece_and_then_whole_is_ended_by_the_next(settings):
    first = demo("approve")
    until(lambda: training_child("pretrain"))
    kill([server(settings, "scheduler")])
    until(lambda: checkpoints(settings, "finetune"))
    kill([training_child("finetune"), server(settings, "api-server")])
    before = checkpoints(settings, "finetune")[-1]
    until(lambda: checkpoints(settings, "finetune")[-1] != before)
    assert first.poll() is None, "a demo outlives its training and the API server"
    kill([psutil.Process(first.pid), *of_home(settings.home, read_state(settings).recorded)])
    last = checkpoints(settings, "finetune")[-1]
    begun = first.communicate()[0]
    assert "Airflow does not answer; waiting" in begun
    output = end_of(demo("approve"))
    run_id = re.search(r"/runs/(demo__\S+)", begun)[1]
    assert f"going on with {run_id}" in output
    assert f"resumed from {last.name}" in output
    screen = output[output.index("the new model is better by") :]
    assert "baseline: overlap tfidf" in screen
    assert "The champion on documents that it has never seen" in screen
    assert "The champion is in place" in screen
    assert "every training" not in screen.lower()
    assert of_home(settings.home) == [], "the demo that started the services stops them"


def test_the_killed_trainings_ended_in_the_weights_of_undisturbed_ones(settings):
    [killed] = [m for m in manifests(settings, "finetune") if "/pretrain/" in m.parents["model"]]
    assert weights(undisturbed(settings, "finetune", killed)) == weights(killed)
    pretrained = read_manifest(killed.parents["model"])
    assert weights(undisturbed(settings, "pretrain", pretrained)) == weights(pretrained)


def undisturbed(settings, step, manifest):
    """The same step once more from the same inputs, never killed."""
    recipe = load_recipe(settings.recipes / f"{RECIPE}.toml", {"seed": int(manifest.made_from["seed"])})
    run = new_run(recipe, f"undisturbed-{manifest.key[:12]}", read_data_md5(), "engineer", refresh=True)
    inputs = [f"{name}={uri}" for name, uri in manifest.parents.items()]
    made = scriptorium("step", step, *inputs, f"--run={freeze(run, settings)}").splitlines()[-1]
    return read_manifest(made)


def manifests(settings, step):
    return [read_manifest(str(p.parent)) for p in sorted(Path(settings.artifacts, step).glob("*/manifest.json"))]


def weights(manifest):
    return manifest.files["model/model.safetensors"].sha256


def test_the_champion_judges_what_it_has_never_seen(restarted):
    row = json.dumps({"id": "1", "text_a": "The queue is removed for good.", "text_b": "Deletes a queue."})
    answer = json.loads(scriptorium("predict", RECIPE, "--input", "-", stdin=row + "\n"))
    assert answer["prediction"] in ("yes", "no")
    assert 0 <= answer["probability"] <= 1


def test_a_row_that_is_no_pair_is_refused_with_its_line(restarted):
    command = [sys.executable, "-m", "pipelines.cli", "predict", RECIPE, "--input", "-"]
    result = subprocess.run(command, cwd=ROOT, input='{"text_a": 3}\n', capture_output=True, text=True)
    assert result.returncode == 10
    assert "standard input, line 1: 'text_a' must be a text" in result.stderr


def test_the_audit_goes_from_champion_to_data_recipe_and_reviewer(restarted):
    found = json.loads(scriptorium("audit", RECIPE, "--json"))
    text = json.dumps(found)
    assert "reviewer" in text
    assert "make demo REVIEW=approve" in text
    assert read_data_md5() in text


def read_data_md5():
    from pipelines.dataset import current_md5

    return current_md5()


def test_the_plan_says_that_nothing_is_left_to_train(restarted):
    plan = {row["stage"]: row for row in json.loads(scriptorium("plan", RECIPE, "--json"))}
    assert [plan[name]["reused"] for name in TRAININGS] == [True] * len(TRAININGS)


def test_the_second_demo_reuses_every_training_and_its_refusal_leaves_the_champion(restarted):
    before = json.loads(scriptorium("audit", RECIPE, "--json"))
    somebody_elses = {"logical_date": None, "run_after": "2099-01-01T00:00:00Z"}
    Airflow(restarted, "engineer")._send("POST", f"/dags/{DAG}/dagRuns", somebody_elses)
    screen = end_of(demo("reject"), code=10)
    assert "going on with" not in screen, "only its own runs are a demo's to answer"
    assert "Every training step was reused" in screen
    assert "Refused; the champion is as it was" in screen
    assert "The services stay up" in screen
    after = json.loads(scriptorium("audit", RECIPE, "--json"))
    assert after["champion"] == before["champion"]
    assert "rejected" in json.dumps(after)


def test_a_changed_byte_in_the_data_is_refused_by_name(settings):
    path = settings.data / "corpus" / "general.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"a", b"b", 1))
    try:
        command = [sys.executable, "-m", "pipelines.cli", "data", "verify"]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    finally:
        path.write_bytes(whole)
    assert result.returncode == 10
    assert "corpus/general.jsonl" in result.stderr


def test_a_demo_that_is_ended_while_the_services_start_leaves_none_running(settings):
    stack.down(settings)
    process = demo("approve")
    until(lambda: stack.running(settings))
    process.terminate()
    end_of(process, code=130)
    assert of_home(settings.home) == []
