"""The main job on real Airflow, MLflow and DVC with real text and the real base model, at a small size.

One stack and one small dataset serve all tests of this file, which tell one story in order: a run whose training child
is killed ends with a champion; the same again reuses every training; a refusal leaves the champion alone; at last the
scheduler is killed, and then everything.
"""

import json
import os
import signal
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
from pipelines.server_state import read_state
from pipelines.settings import ROOT, read_settings

pytestmark = [pytest.mark.service, pytest.mark.timeout(1500)]

RECIPE = "summary_checker"
DAG = f"train__{RECIPE}"
SMALL = {
    "tokens = 80_000": "tokens = 4_000",
    "tokens = 110_000": "tokens = 6_000",
    "at_least = 0.74": "at_least = 0.0",
    "at_most = 0.05": "at_most = 1.0",
    "at_most = 0.0": "at_most = 1.0",
    'above = "baseline"': "at_least = 0.1",
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
            "SCRIPTORIUM_TASK_LOST_AFTER": 40,
        }.items():
            patch.setenv(name, str(value))
        write_small_recipe(home / "recipes")
        scriptorium("data", "build")
        shrink(home / "data")
        yield home
        scriptorium("down")


@pytest.fixture(scope="module")
def settings(home):
    settings = read_settings()
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
            rows = [row for row in rows if '"split":"train"' in row][:600] + held[:150]
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


def started(settings, **form):
    return Airflow(settings, "engineer").trigger(DAG, form)


def states(settings, run_id):
    return {task.task_id: task for task in Airflow(settings, "engineer").tasks(DAG, run_id)}


def wait(settings, run_id, ready, limit=600):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        tasks = states(settings, run_id)
        if ready(tasks):
            return tasks
        broken = [name for name, task in tasks.items() if task.state == "failed"]
        if broken:
            pytest.fail("\n".join(Airflow(settings, "engineer").log(DAG, run_id, broken[0], 1)[-20:]))
        time.sleep(0.5)
    pytest.fail(f"not there after {limit} s: { {n: t.state for n, t in tasks.items()} }")


def training_child(name):
    """The process that runs a step of this home, found by its command line."""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if {"step", name} <= set(words) and os.environ["SCRIPTORIUM_HOME"] in " ".join(words):
            return process
    return None


def in_the_middle_of(name, settings, run_id):
    """Wait until a step of a run has trained for a moment; its process."""
    wait(settings, run_id, lambda tasks: tasks[name].state == "running")
    end = time.monotonic() + 60
    while (child := training_child(name)) is None and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(4)
    return child


def review(run_id, settings, option):
    wait(settings, run_id, lambda tasks: tasks["review"].state == "awaiting_input")
    answered = json.loads(scriptorium("review", RECIPE, f"--{option}", "--reason", "the test says so", "--json"))
    assert (answered["run_id"], answered["answer"]) == (run_id, option)
    wait(settings, run_id, lambda tasks: Airflow(settings, "engineer").run(DAG, run_id).state != "running")


def test_a_killed_training_goes_on_and_its_run_ends_with_a_champion(settings):
    run_id = started(settings)
    os.kill(in_the_middle_of("finetune", settings, run_id).pid, signal.SIGKILL)
    review(run_id, settings, "approve")
    tasks = states(settings, run_id)
    assert tasks["finetune"].try_number == 2
    assert tasks["promote"].state == "success"


def test_the_killed_training_ended_in_the_weights_of_an_undisturbed_one(settings):
    """The control of the same seed is another training; the same run refreshed is the same one, never killed."""
    killed = manifests(settings, "finetune")
    trained = json.loads(scriptorium("train", RECIPE, "--set", "refresh=true", "--json"))
    assert trained["report"]["primary"] == "accuracy"
    again = [m for m in manifests(settings, "finetune") if m not in killed]
    assert {weights(m) for m in again} == {weights(m) for m in killed}


def manifests(settings, step):
    return [read_manifest(str(p.parent)) for p in sorted(Path(settings.artifacts, step).glob("*/manifest.json"))]


def weights(manifest):
    return manifest.files["model/model.safetensors"].sha256


def test_the_champion_judges_what_it_has_never_seen(settings):
    row = json.dumps({"id": "1", "text_a": "The queue is removed for good.", "text_b": "Deletes a queue."})
    answer = json.loads(scriptorium("predict", RECIPE, "--input", "-", stdin=row + "\n"))
    assert answer["prediction"] in ("yes", "no")
    assert 0 <= answer["probability"] <= 1


def test_a_row_that_is_no_pair_is_refused_with_its_line(settings):
    command = [sys.executable, "-m", "pipelines.cli", "predict", RECIPE, "--input", "-"]
    result = subprocess.run(command, cwd=ROOT, input='{"text_a": 3}\n', capture_output=True, text=True)
    assert result.returncode == 10
    assert "standard input, line 1: 'text_a' must be a text" in result.stderr


def test_the_audit_goes_from_champion_to_data_recipe_and_reviewer(settings):
    found = json.loads(scriptorium("audit", RECIPE, "--json"))
    text = json.dumps(found)
    assert "reviewer" in text
    assert "the test says so" in text
    assert read_data_md5() in text


def read_data_md5():
    from pipelines.dataset import current_md5

    return current_md5()


def test_the_plan_says_that_nothing_is_left_to_train(settings):
    plan = {row["stage"]: row for row in json.loads(scriptorium("plan", RECIPE, "--json"))}
    assert [plan[name]["reused"] for name in TRAININGS] == [True] * len(TRAININGS)


def test_the_second_time_every_training_is_reused_and_a_refusal_leaves_the_champion(settings):
    before = json.loads(scriptorium("audit", RECIPE, "--json"))
    run_id = json.loads(scriptorium("trigger", RECIPE, "--no-follow", "--json"))["run_id"]
    review(run_id, settings, "reject")
    airflow = Airflow(settings, "engineer")
    for name in TRAININGS:
        assert any("reused" in line for line in airflow.log(DAG, run_id, name, 1)), name
    assert states(settings, run_id)["promote"].state == "skipped"
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


def test_a_killed_scheduler_and_then_everything_killed_end_in_the_same_weights(settings):
    known = {name: manifests(settings, name) for name in ("pretrain", "finetune")}
    run_id = started(settings, seed=8)
    in_the_middle_of("pretrain", settings, run_id)
    os.kill(read_state(settings).servers["scheduler"].process.pid, signal.SIGKILL)
    in_the_middle_of("finetune", settings, run_id)
    everything = of_home(settings.home, read_state(settings).recorded)
    for process in everything:
        process.kill()
    psutil.wait_procs(everything, timeout=30)
    stack.up(settings)
    wait(settings, run_id, lambda tasks: tasks["finetune"].state == "success")
    stack.down(settings)
    disturbed = {name: [m for m in manifests(settings, name) if m not in known[name]] for name in known}
    assert all(disturbed.values())
    # It trains all the same, but the gate on a champion that cannot be asked for does not pass.
    scriptorium("train", RECIPE, "--set", "seed=8", "--set", "refresh=true", "--json", code=10)
    for name, before in known.items():
        undisturbed = [m for m in manifests(settings, name) if m not in before + disturbed[name]]
        assert {weights(m) for m in disturbed[name]} <= {weights(m) for m in undisturbed}, name
