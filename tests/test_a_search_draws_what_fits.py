"""What a search draws is tried against the recipe before it is trained: no trial is lost to what no training takes."""

import tomllib

import pytest

from pipelines import search_draw
from pipelines.errors import Refused
from pipelines.recipe_file import load_recipe, parse_recipe
from pipelines.search import place_of, work_on
from pipelines.search_outcome import outcome
from pipelines.search_space import unfit
from pipelines.search_study import Place, next_trial, study_at
from pipelines.settings import read_settings
from tests.evidence import RECIPE
from tests.small_search import prepared

EIGHTHS = {"finetune.batch_size": {"low": 8, "high": 256}}


def place(folder, accumulation=8, space=EIGHTHS, **search):
    """A study of batches that are cut into parts: its two ends can be cut, and little between them."""
    values = tomllib.loads(RECIPE) | {"finetune": {"accumulation": accumulation, "batch_size": accumulation}}
    recipe = parse_recipe(values | {"search": {"space": space} | search}, "mine.toml")
    return Place(folder, recipe, recipe.search, higher_is_better=True)


def drawn(where):
    """The settings of the next trial, which ends at once; None where there is none."""
    with next_trial(where) as trial:
        if trial is None:
            return None
        trial.study.tell(trial.number, 0.5 + trial.params["finetune.batch_size"] / 1000)
        return trial.params


def test_why_settings_do_not_fit_is_said_in_the_recipes_own_words(tmp_path):
    recipe = place(tmp_path).recipe
    assert unfit(recipe, {"finetune.batch_size": 16}) is None
    assert unfit(recipe, {"finetune.batch_size": 9}) == (
        "finetune.batch_size = 9 do not go together: finetune.accumulation must divide finetune.batch_size"
    )


def test_settings_that_do_not_fit_are_no_trials_and_their_reason_is_said(tmp_path, capsys):
    where = place(tmp_path, trials=12)
    found = [drawn(where)["finetune.batch_size"] for _ in range(12)]
    assert drawn(where) is None
    assert [size % 8 for size in found] == [0] * 12
    assert len(set(found)) > 3
    assert [trial.state.name for trial in study_at(where).trials] == ["COMPLETE"] * 12
    assert "make no recipe and are not trained; the last: finetune.batch_size = " in capsys.readouterr().out


def test_the_same_is_drawn_however_often_a_search_was_ended(tmp_path):
    where = place(tmp_path / "once")
    once = [drawn(where) for _ in range(6)]
    where = place(tmp_path / "often")
    often = []
    while len(often) < 6:
        with pytest.raises(KeyboardInterrupt), next_trial(where):
            raise KeyboardInterrupt
        often.append(drawn(where))
    assert often == once


def test_two_workers_draw_at_the_same_time(tmp_path):
    where = place(tmp_path)
    with next_trial(where) as one, next_trial(where) as other:
        assert one.params["finetune.batch_size"] % 8 == other.params["finetune.batch_size"] % 8 == 0
        assert one.number != other.number


RARE = {"finetune.batch_size": {"low": 2048, "high": 4096}}


def test_a_search_in_which_nothing_fits_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(search_draw, "DRAWS", 20)
    told = r"none of 20 settings .* the last: finetune.batch_size = \d+ do not go together: .*; change search.space"
    with pytest.raises(Refused, match=told):
        drawn(place(tmp_path, accumulation=2048, space=RARE))


def test_what_was_found_before_nothing_fitted_any_more_stays_found(tmp_path, monkeypatch, capsys):
    where = place(tmp_path, accumulation=2048, space=RARE)
    study = study_at(where)
    study.enqueue_trial({"finetune.batch_size": 4096})
    assert drawn(where) == {"finetune.batch_size": 4096}
    monkeypatch.setattr(search_draw, "DRAWS", 20)
    assert drawn(where) is None
    assert "none of 20 settings" in capsys.readouterr().out


@pytest.mark.slow
def test_the_best_of_a_search_is_a_recipe_that_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SCRIPTORIUM_THREADS", "1")
    run, run_uri, inputs = prepared(tmp_path, finetune={"accumulation": 8}.items(), space=EIGHTHS)
    work_on(run_uri, inputs)
    found = outcome(run, place_of(run, inputs, read_settings()))
    assert [trial["state"] for trial in found["trials"]] == ["whole"] * 3
    path = tmp_path / "checker.toml"
    path.write_text(f"{RECIPE}\n[finetune]\naccumulation = 8\n", encoding="utf-8")
    assert load_recipe(path, found["best"]["settings"]).finetune.accumulation == 8
