"""What somebody put into data/ by hand becomes a version when it can be learned from, and is refused when it cannot."""

import pytest

from pipelines import by_hand, dataset
from pipelines.errors import Refused
from pipelines.ingest import ingest
from pipelines.settings import read_settings
from pipelines.version_history import current, history
from tests.dropped_files import CORPUS, TEST, TRAIN, drop, drop_all, example, passage, recipe_in
from tests.versioned_data import read, use

pytestmark = pytest.mark.service


@pytest.fixture
def settings(tmp_path, monkeypatch):
    use(monkeypatch, tmp_path)
    monkeypatch.setenv("SCRIPTORIUM_RECIPES", str(tmp_path / "recipes"))
    recipe_in(tmp_path / "recipes")
    for split in ("train", "validation", "test"):
        drop(tmp_path / "data" / f"tasks/mine/{split}.jsonl", [example(f"{split}-{n}") for n in range(20)])
    texts = [passage(f"c-{n}", split="heldout" if n % 5 == 0 else "train") for n in range(20)]
    drop(tmp_path / "data" / CORPUS, texts)
    return read_settings()


def test_sound_data_is_recorded_with_its_reason_and_can_be_added_to(settings, tmp_path):
    md5 = by_hand.commit("the first of it", settings)
    assert (current(settings).md5, history(settings)[-1].reason) == (md5, "the first of it")
    dataset.verify()
    drop(settings.data / TRAIN, [example("by hand")])
    with pytest.raises(Refused, match="`scriptorium data commit` records"):
        dataset.verify()
    by_hand.commit("fewer are better", settings)
    recipe = recipe_in(tmp_path / "recipes")
    ingest(str(drop_all(tmp_path / "in") / "train"), recipe, settings, say=lambda _: None)
    assert len(read(settings.data / TRAIN)) == 1 + 20


def test_data_that_cannot_be_learned_from_is_not_recorded(settings):
    md5 = by_hand.commit("sound", settings)
    drop(settings.data / TEST, [example("train-3"), example("b")])
    with pytest.raises(Refused, match=r"(?s)mine cannot learn from .*test.jsonl line 1"):
        by_hand.commit("unsound", settings)
    assert current(settings).md5 == md5
    assert len(history(settings)) == 1


def test_slots_that_no_training_could_read_are_not_recorded(settings, tmp_path):
    recipe = tmp_path / "recipes" / "mine.toml"
    recipe.write_text(recipe.read_text() + '\n[finetune]\naugment = { slots = "slots.jsonl" }\n')
    (settings.data / "slots.jsonl").write_text("[]\n")
    with pytest.raises(Refused, match=r"slots.jsonl, line 1 is no slot"):
        by_hand.commit("unsound", settings)


def test_recipes_whose_examples_are_not_there_at_all_are_named_in_one_line(settings, tmp_path, capsys):
    shipped = (tmp_path / "recipes" / "mine.toml").read_text()
    for name in ("other", "third"):
        (tmp_path / "recipes" / f"{name}.toml").write_text(
            shipped.replace('"mine"', f'"{name}"').replace("tasks/mine", f"tasks/{name}")
        )
    by_hand.commit("sound", settings)
    assert "not checked for other, third: there are no examples for them\n" in capsys.readouterr().out


def test_what_is_only_begun_is_recorded_and_said_to_be_unchecked(settings, capsys):
    (settings.data / TEST).unlink()
    by_hand.commit("not whole yet", settings)
    assert "not checked for mine: tasks/mine/test.jsonl is not there" in capsys.readouterr().out
