"""What is released from quarantine can be learned from: rows with which no training would begin stay where they are."""

import pytest

from pipelines import release as releasing
from pipelines.errors import Refused, TryAgain
from pipelines.forget import forget
from pipelines.forget_choice import Wish
from pipelines.quarantine import batches
from pipelines.release import Decision, release, releases
from pipelines.settings import read_settings
from pipelines.validate import check_data
from pipelines.version_history import current, history
from tests.dropped_files import TRAIN, drop, example, folder, recipe_in, take_in
from tests.versioned_data import read, use

__all__ = ["folder", "take_in"]
pytestmark = pytest.mark.service  # Great Expectations takes most of a second for each set of files
MAIL = "Write to jane.doe@gmail.com for a copy of the minutes."
LONG = "A very long line about the weather. " * 9


@pytest.fixture
def settings(tmp_path, monkeypatch):
    use(monkeypatch, tmp_path)
    monkeypatch.setenv("SCRIPTORIUM_RECIPES", str(tmp_path / "recipes"))
    monkeypatch.setenv("SCRIPTORIUM_MLFLOW_URL", "http://127.0.0.1:9")
    return read_settings()


@pytest.fixture
def limits(tmp_path):
    """Write the recipe `mine` with limits of its own; returns it."""
    return lambda words: recipe_in(tmp_path / "recipes", f"[validation]\n{words}\n")


@pytest.fixture
def aside(folder, take_in, limits):
    """Take in the first delivery, and then rows of which some are set aside, among twenty others."""

    def run(*rows, words="longest_text = 300"):
        take_in(folder, limits(words))
        drop(folder / "train" / "more.jsonl", [*(example(f"more-{n}") for n in range(20)), *rows])
        assert take_in(folder, limits(words)).result.quarantined == len(rows)

    return run


def let(settings, *numbers, **options):
    (batch,) = batches(settings)
    return release(Decision(batch.batch, numbers or None, "looked at by hand", **options), settings)


def failed(settings, recipe):
    found = check_data(settings.data, recipe.data, recipe.task, recipe.validation)
    return [outcome["metric"] for outcome in found["checks"] if not outcome["passed"]]


def test_a_row_that_every_training_would_refuse_is_not_released_until_its_limit_is_raised(settings, aside, limits):
    aside(example("a", completion=LONG), example("b", completion=MAIL))
    before = history(settings)
    with pytest.raises(Refused, match=r"(?s)mine could not learn from .*text too long .rows 1 of .*: longest_text$"):
        let(settings, 1)
    with pytest.raises(Refused, match=r"personal data \(2.4%, allowed 0.2%\): email .rows 2 of .*: personal_data$"):
        let(settings, 2, personal=True)
    assert (history(settings), releases(settings)) == (before, [])
    wide = limits("longest_text = 400\npersonal_data = 0.1")
    assert let(settings, personal=True).rows == (1, 2)
    assert failed(settings, wide) == []


def test_what_was_too_much_for_a_day_may_be_little_in_the_whole(settings, aside):
    aside(example("mail", completion=MAIL), words="personal_data = 0.03")
    assert let(settings, personal=True).rows == (1,)
    assert len(read(settings.data / TRAIN)) == 41


def test_an_empty_text_stays_where_it_is(settings, aside):
    aside(example("empty", completion="\u200b"))
    with pytest.raises(Refused, match=r"rows with an empty text .rows 1 of the batch.; remove these rows, or fill in"):
        let(settings)


def test_a_test_row_is_not_released_into_the_training_rows(settings, aside, limits):
    leak = example("leak", prompt=example("test-1")["prompt"], completion=LONG)
    aside(example("a", completion=LONG), leak)
    limits("longest_text = 400")
    with pytest.raises(Refused, match=r"training shows too .*rows 2 of the batch.; remove them"):
        let(settings)
    assert let(settings, 1).rows == (1,)


def test_what_the_data_have_already_is_not_held_against_a_row(settings, aside, limits):
    aside(example("a", completion=LONG), example("b", completion=MAIL))
    limits("personal_data = 0.1\nlongest_text = 300")
    let(settings, 2, personal=True)
    limits("personal_data = 0\nlongest_text = 400")
    assert let(settings, 1).rows == (1,)


def test_rows_whose_recipe_is_gone_or_reads_other_files_are_not_released(settings, aside, tmp_path):
    aside(example("a", completion=LONG))
    path = tmp_path / "recipes" / "mine.toml"
    path.write_text(path.read_text().replace("tasks/mine", "tasks/other"))
    with pytest.raises(Refused, match=f"mine reads no {TRAIN} any more, .*tasks/other/train.jsonl"):
        let(settings)
    path.unlink()
    with pytest.raises(Refused, match="no recipe 'mine'"):
        let(settings)


def test_data_that_became_another_version_meanwhile_are_not_added_to(settings, aside, limits, tmp_path, monkeypatch):
    aside(example("a", completion=LONG))
    limits("longest_text = 400")
    real = releasing.require_sound

    def look_and_be_overtaken(*given):
        real(*given)
        forget(Wish(("train-1",), "asked"), settings)

    monkeypatch.setattr(releasing, "require_sound", look_and_be_overtaken)
    with pytest.raises(TryAgain, match="became another version"):
        let(settings)
    assert (history(settings)[-1].md5, releases(settings)) == (current(settings).md5, [])
