"""What a run is about is decided by its recipe and the changes to it, and its folder is written once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from pipelines.artifact import sha256_file
from pipelines.errors import Refused
from pipelines.local import decide
from pipelines.recipe_file import load_recipe, require_readable
from pipelines.run import freeze, id_now, new_run, read_run
from pipelines.settings import read_settings
from tests.dropped_files import recipe_in
from tests.versioned_data import new_data, use

OTHERS = "0" * 64


@pytest.fixture
def settings(tmp_path, monkeypatch):
    use(monkeypatch, tmp_path)
    monkeypatch.setenv("SCRIPTORIUM_RECIPES", str(tmp_path / "recipes"))
    new_data(tmp_path / "data")
    recipe_in(tmp_path / "recipes")
    return read_settings()


@pytest.fixture
def base(tmp_path):
    """A folder that holds a base as far as a decision looks at it."""
    (tmp_path / "base").mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (tmp_path / "base" / name).write_text("{}")
    return tmp_path / "base"


@pytest.mark.parametrize("name", ["base", "base.model"])
def test_another_base_is_pinned_as_it_is_found_unless_its_digest_is_given(settings, base, name):
    found = sha256_file(base / "model.safetensors")
    recipe = decide("mine", {name: str(base)}, "r", settings).recipe
    assert (recipe.base.model, recipe.base.sha256) == (str(base), found)
    # The step that reads it refuses it then.
    assert decide("mine", {name: str(base), "base.sha256": OTHERS}, "r", settings).recipe.base.sha256 == OTHERS


def test_two_that_freeze_one_run_at_once_keep_the_first_and_refuse_the_second(settings):
    runs = [
        new_run(load_recipe(settings.recipes / "mine.toml", {"seed": seed}), "r1", "md5", "me") for seed in range(8)
    ]

    def frozen(run):
        try:
            return freeze(run, settings)
        except Refused:
            return None

    with ThreadPoolExecutor(8) as pool:
        uris = list(pool.map(frozen, runs))
    (kept,) = [number for number, uri in enumerate(uris) if uri]
    assert read_run(uris[kept]) == runs[kept]


def test_ids_of_two_processes_differ_and_one_of_marks_alone_is_refused(settings):
    recipe = load_recipe(settings.recipes / "mine.toml")
    assert new_run(recipe, id_now("local"), "md5", "me").run_id.startswith("local-20")
    for name in (".", "..", "-.:+"):
        with pytest.raises(Refused, match="with a letter or digit"):
            new_run(recipe, name, "md5", "me")


def test_a_recipe_that_cannot_be_opened_is_refused_and_named_as_any_other(settings):
    (settings.recipes / "folder.toml").mkdir()
    with pytest.raises(Refused, match=r"folder\.toml cannot be read: Is a directory"):
        require_readable(settings.recipes)
