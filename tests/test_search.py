"""A search ends where its budget says, goes on where it was killed, and never sees a test row."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.errors import Refused
from pipelines.search import place_of, work_on
from pipelines.search_outcome import as_options, as_toml, finished, outcome
from pipelines.search_study import study_at
from pipelines.search_tracking import record_where_possible
from pipelines.settings import ROOT, read_settings
from tests.small_search import SPACE, prepared

pytestmark = pytest.mark.slow


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SCRIPTORIUM_MLFLOW_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SCRIPTORIUM_THREADS", "1")
    return tmp_path


def found_by(run, inputs):
    return outcome(run, place_of(run, inputs, read_settings()))


def test_a_search_tries_as_often_as_it_may_and_tells_the_best_as_a_recipe_writes_it(home, capsys):
    run, run_uri, inputs = prepared(home)
    work_on(run_uri, inputs)
    found = finished(run, place_of(run, inputs, read_settings()))
    values = [trial["value"] for trial in found["trials"]]
    assert len(values) == 3
    assert found["best"]["value"] == max(values)
    assert all(set(trial["settings"]) == set(SPACE) for trial in found["trials"])
    assert record_where_possible(found, run, read_settings()) is None
    said = capsys.readouterr()
    assert "trial 3 of 3: accuracy" in said.out
    assert "the search is not in MLflow" in said.err
    page = Path(found["page"]).read_text()
    assert "finetune.learning_rate" in page
    assert "<svg" in page
    assert not list((home / "home" / "work" / "search").glob("*/*")), "trials left checkpoints"


def test_the_best_settings_make_the_model_that_was_judged(home):
    from pipelines.artifact import read_json
    from pipelines.mirror import here
    from pipelines.run import freeze, new_run
    from pipelines.search_space import with_settings
    from pipelines.steps import make

    run, run_uri, inputs = prepared(home, trials=1)
    work_on(run_uri, inputs)
    best = found_by(run, inputs)["best"]
    chosen = new_run(with_settings(run.recipe, best["settings"]), "chosen", run.dataset_md5, "engineer")
    metrics = read_json(here(make("finetune", freeze(chosen, read_settings()), inputs)) / "metrics.json")
    assert metrics["epochs"][metrics["best_epoch"] - 1]["validation"]["accuracy"] == best["value"]


def test_no_trial_looks_at_a_test_row(home):
    from pipelines.mirror import here

    run, run_uri, inputs = prepared(home, trials=1)
    (test,) = here(inputs["dataset"]).rglob("test.jsonl")
    test.unlink()
    work_on(run_uri, inputs)
    assert found_by(run, inputs)["best"]["value"] > 0


def test_more_trials_go_on_with_the_same_study_and_other_data_begins_another(home):
    run, run_uri, inputs = prepared(home, trials=1)
    work_on(run_uri, inputs)
    first = found_by(run, inputs)["trials"]
    more, more_uri, _ = prepared(home, trials=2)
    work_on(more_uri, inputs)
    trials = found_by(more, inputs)["trials"]
    assert trials[0] == first[0]
    assert len(trials) == 2
    assert trials[0]["settings"] != trials[1]["settings"]
    work_on(more_uri, inputs)
    assert len(found_by(more, inputs)["trials"]) == 2
    other, _, _ = prepared(home, space={**SPACE, "finetune.epochs": [1, 3]})
    assert place_of(other, inputs, read_settings()).folder != place_of(run, inputs, read_settings()).folder


def test_a_search_draws_the_same_however_often_it_was_ended(home):
    run, run_uri, inputs = prepared(home, trials=3)
    work_on(run_uri, inputs)
    at_once = [trial["settings"] for trial in found_by(run, inputs)["trials"]]
    place = place_of(run, inputs, read_settings())
    (place.folder / "study.db").unlink()
    for trials in (1, 2, 3):
        run, run_uri, _ = prepared(home, trials=trials)
        work_on(run_uri, inputs)
    assert [trial["settings"] for trial in found_by(run, inputs)["trials"]] == at_once


def test_a_killed_search_tries_the_same_settings_again_and_keeps_its_budget(home):
    run, run_uri, inputs = prepared(
        home,
        trials=2,
        finetune={"epochs": 60}.items(),
        space={"finetune.learning_rate": SPACE["finetune.learning_rate"]},
    )
    command = [sys.executable, "-m", "tests.small_search", run_uri, inputs["dataset"], inputs["model"]]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as child:
        for line in child.stdout:
            if line.startswith("epoch 2"):
                child.send_signal(signal.SIGKILL)
                break
    assert child.returncode == -signal.SIGKILL
    assert [trial["state"] for trial in found_by(run, inputs)["trials"]] == ["under way"]
    work_on(run_uri, inputs)
    killed, again, other = found_by(run, inputs)["trials"]
    assert killed["state"] == "given up"
    assert again["settings"] == killed["settings"] != other["settings"]
    assert {again["state"], other["state"]} == {"whole"}


def test_no_trial_begins_when_the_minutes_are_spent(home):
    run, run_uri, inputs = prepared(home, trials=50, minutes=0.0001)
    work_on(run_uri, inputs)
    found = found_by(run, inputs)
    assert len(found["trials"]) == 1
    assert found["spent"] == "the 0.0001 minutes are spent"


def test_a_trial_that_is_worse_than_the_others_were_is_ended_early(home):
    import optuna

    run, run_uri, inputs = prepared(
        home, trials=6, finetune={"epochs": 4}.items(), space={"finetune.learning_rate": {"low": 1e-7, "high": 2e-7}}
    )
    place = place_of(run, inputs, read_settings())
    study = study_at(place)
    good = {"params": {"finetune.learning_rate": 1e-7}, "value": 1.0, "intermediate_values": {1: 1.0, 2: 1.0}}
    ranges = {"finetune.learning_rate": optuna.distributions.FloatDistribution(1e-7, 2e-7)}
    for _ in range(5):
        study.add_trial(optuna.trial.create_trial(**good, distributions=ranges))
    work_on(run_uri, inputs)
    last = found_by(run, inputs)["trials"][-1]
    assert (last["state"], last["value"], len(last["epochs"])) == ("ended early", None, 1)
    assert "after epoch 1 of 4" in last["why"]


def test_settings_that_never_work_end_the_search_with_their_reason(home):
    run, run_uri, inputs = prepared(home, trials=20, space={"finetune.max_length": [200, 300]})
    with pytest.raises(Refused, match=r"the first 3 trials were all refused.*the base reads 128 tokens"):
        work_on(run_uri, inputs)
    assert found_by(run, inputs)["best"] is None


def test_two_workers_share_the_trials(home):
    run, run_uri, inputs = prepared(home, trials=4)
    command = [sys.executable, "-m", "tests.small_search", run_uri, inputs["dataset"], inputs["model"]]
    workers = [subprocess.Popen(command, cwd=ROOT, env=dict(os.environ)) for _ in range(2)]
    assert [worker.wait() for worker in workers] == [0, 0]
    assert [trial["state"] for trial in found_by(run, inputs)["trials"]] == ["whole"] * 4


def test_best_settings_are_written_as_toml_and_as_options():
    import tomllib

    best = {"finetune.learning_rate": 3e-05, "finetune.method": "lora", "finetune.class_weights": True}
    assert tomllib.loads(as_toml(best))["finetune"] == {"learning_rate": 3e-05, "method": "lora", "class_weights": True}
    assert as_options(best) == (
        "--set finetune.learning_rate=3e-05 --set finetune.method=lora --set finetune.class_weights=true"
    )


def test_what_held_for_every_trial_stands_in_the_command_that_trains_the_best(home, capsys):
    from pipelines.cli_search import show

    run, run_uri, inputs = prepared(home, trials=1)
    work_on(run_uri, inputs)
    found = {**finished(run, place_of(run, inputs, read_settings())), "mlflow": None}
    show(found, ["finetune.method=lora", "description=two words"])
    assert "scriptorium train checker --set finetune.method=lora --set 'description=two words' --set finetune." in (
        capsys.readouterr().out
    )


def test_a_recipe_without_a_search_is_told_what_to_add(home):
    command = [sys.executable, "-m", "pipelines.cli", "search", "summary_checker", "--trials", "2", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 10
    assert "add, for example:\n[search]" in done.stderr
    assert json.dumps(done.stdout) == '""'
