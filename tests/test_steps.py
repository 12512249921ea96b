"""Doing a step twice is doing it once; a half-done step is done again."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from pipelines import steps
from pipelines.errors import Refused
from pipelines.flow import plan, stages
from pipelines.recipe_file import parse_recipe
from pipelines.run import freeze, new_run
from pipelines.settings import ROOT, read_settings
from pipelines.step_key import closure, code_hash, templates

RECIPE = {
    "name": "checker",
    "description": "d",
    "task": "pair_classification",
    "data": {"corpus": "c", "examples": "e", "replay": {"corpus": "g"}},
    "base": {"model": "hf://org/name"},
    "pretrain": {"objective": "masked", "tokens": 10},
    "review": {"reviewers": ["reviewer"]},
}


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path / "home"))
    return read_settings()


@pytest.fixture
def run(settings):
    return freeze(new_run(parse_recipe(RECIPE, "test"), "r1", "abc.dir", "engineer"), settings)


@pytest.fixture
def counted(monkeypatch):
    """A step of this file, and how often it ran."""
    calls = []

    def function(work: steps.Work) -> None:
        calls.append(work)
        (work.out / "made.txt").write_text(str(work.run.recipe.finetune.epochs))

    monkeypatch.setitem(steps.STEPS, "dataset", steps.Step("pipelines.dataset:dataset", (), ("finetune",)))
    monkeypatch.setattr("pipelines.dataset.dataset", function)
    return calls


def changed(settings, name, **finetune):
    recipe = parse_recipe(RECIPE | {"finetune": finetune}, "test")
    return freeze(new_run(recipe, name, "abc.dir", "engineer"), settings)


def test_the_second_time_the_output_is_reused(run, counted, capsys):
    first = steps.make("dataset", run, {})
    assert steps.make("dataset", run, {}) == first
    assert len(counted) == 1
    assert "reused" in capsys.readouterr().out


def test_a_declared_recipe_field_changes_the_output(run, settings, counted):
    first = steps.make("dataset", run, {})
    other = steps.make("dataset", changed(settings, "r2", epochs=9), {})
    assert first != other
    assert (Path(first) / "made.txt").read_text() != (Path(other) / "made.txt").read_text()


def test_an_output_with_a_changed_byte_is_made_again(run, counted):
    made = Path(steps.make("dataset", run, {})) / "made.txt"
    made.write_text("x")
    steps.make("dataset", run, {})
    assert made.read_text() == "2"


def test_refresh_makes_every_step_anew_but_once_a_run(run, settings, counted):
    steps.make("dataset", run, {})
    again = freeze(new_run(parse_recipe(RECIPE, "test"), "r2", "abc.dir", "engineer", refresh=True), settings)
    steps.make("dataset", again, {})
    steps.make("dataset", again, {})
    assert len(counted) == 2


def test_the_plan_names_the_field_that_changed(run, settings, counted):
    steps.make("dataset", run, {})
    recipe = parse_recipe(RECIPE | {"finetune": {"epochs": 9}}, "test")
    forecast = plan(new_run(recipe, "r2", "abc.dir", "engineer"), None, settings)[0]
    assert not forecast.reused
    assert forecast.why == "changed: recipe.finetune.epochs (2 -> 9)"


def test_the_plan_speaks_of_going_on_only_where_there_is_a_checkpoint(run, settings, monkeypatch):
    tried = []

    def fails(work: steps.Work) -> None:
        tried.append(work)
        raise Refused("no")

    monkeypatch.setattr("pipelines.dataset.dataset", fails)
    with pytest.raises(Refused):
        steps.make("dataset", run, {})
    again = new_run(parse_recipe(RECIPE, "test"), "r2", "abc.dir", "engineer")
    (tried[0].checkpoints / "part").mkdir()
    assert plan(again, None, settings)[0].why == "never made here"
    (tried[0].checkpoints / "checkpoint-3").mkdir()
    assert plan(again, None, settings)[0].why == "continues a try that was stopped"


def test_the_plan_of_an_unchanged_run_reuses_and_the_rest_waits(run, settings, counted):
    steps.make("dataset", run, {})
    forecasts = plan(new_run(parse_recipe(RECIPE, "test"), "r3", "abc.dir", "engineer"), None, settings)
    assert forecasts[0].reused
    assert forecasts[2].why == "validate runs first"


def test_the_same_run_id_with_other_settings_is_refused(run, settings):
    with pytest.raises(Refused, match="frozen with other settings"):
        changed(settings, "r1", epochs=9)


def test_a_steps_code_is_all_that_it_imports_here_lazily_or_not():
    assert {"pipelines.finetune", "models.train", "models.backbone"} <= set(closure("pipelines.finetune"))
    assert "pipelines.cli" not in closure("pipelines.finetune")


def test_a_steps_code_is_the_templates_of_its_pages_too(tmp_path, monkeypatch):
    named = {name: set(templates(closure(step.function.split(":")[0]))) for name, step in steps.STEPS.items()}
    assert named["evaluate"] == {"report.html", "explanations.html", "style.css"}
    assert named["validate"] == {"validation.html", "data_parts.html", "style.css"}
    assert not any(found for name, found in named.items() if name not in ("evaluate", "validate"))

    edited = shutil.copytree(ROOT / "pipelines" / "templates", tmp_path / "templates")
    (edited / "style.css").write_text("body { color: red }")
    before = {name: code_hash(f"pipelines.{name}") for name in ("evaluate", "finetune")}
    code_hash.cache_clear()
    monkeypatch.setattr("pipelines.step_key.TEMPLATES", edited)
    assert code_hash("pipelines.evaluate") != before["evaluate"]
    assert code_hash("pipelines.finetune") == before["finetune"]
    code_hash.cache_clear()


def test_a_report_knows_every_field_of_the_steps_that_it_makes():
    """Else it would be reused where they would not: without BERTScore, say, when the recipe now names an encoder."""
    known = steps.STEPS["evaluate"].fields
    for inner in ("score", "baselines", "retention", "robustness", "behaviour", "speed", "bias"):
        for field in steps.STEPS[inner].fields:
            assert any(field == own or field.startswith(f"{own}.") for own in known), field


def test_what_answers_is_no_part_of_what_only_reads_data_or_language():
    for step in ("dataset", "validate", "base", "pretrain", "retention"):
        assert "pipelines.score" not in closure(steps.STEPS[step].function.split(":")[0]), step


def test_every_stage_takes_what_its_step_knows(settings):
    run = new_run(parse_recipe(RECIPE, "test"), "r1", "abc.dir", "engineer")
    for stage in stages(run):
        step = steps.STEPS[stage.step]
        assert set(step.inputs) <= set(stage.inputs) <= {*step.inputs, *step.optional}


def test_a_killed_holder_frees_its_lock(tmp_path):
    code = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from pipelines.locks import lock
        with lock(Path(sys.argv[1]), "busy"):
            print("held", flush=True)
            time.sleep(60)
    """)
    command = [sys.executable, "-c", code, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as holder:
        assert holder.stdout.readline() == "held\n"
        os.kill(holder.pid, signal.SIGKILL)
    start = time.monotonic()
    with steps.lock(tmp_path / "lock", "busy"):
        assert time.monotonic() - start < 5


def test_a_step_without_checkpoints_ends_at_the_first_signal_and_begins_again(run, settings):
    code = textwrap.dedent("""
        import sys, time
        from pipelines import dataset
        from pipelines.settings import read_settings
        from pipelines.task import run_task
        seconds = float(sys.argv[2])
        def made(work):
            (work.out / "half").touch()
            print("begun", flush=True)
            time.sleep(seconds)
        dataset.dataset = made
        run_task("dataset", sys.argv[1], {}, read_settings())
    """)
    command = [sys.executable, "-c", code, run]
    with subprocess.Popen([*command, "60"], stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdout.readline() == "begun\n"
        child.terminate()
        assert child.wait(10) == -signal.SIGTERM
    assert not list(Path(settings.artifacts, "dataset").glob("*"))
    subprocess.run([*command, "0"], cwd=ROOT, check=True)
    assert len(list(Path(settings.artifacts, "dataset").glob("*/manifest.json"))) == 1
