"""Training rows are copied through another language; the translators are pinned as a base is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.tasks import TASKS
from pipelines.artifact import read_json, sha256_file
from pipelines.errors import Refused
from pipelines.pins import pinned_translators
from pipelines.recipe_file import load_recipe
from pipelines.settings import ROOT, Settings, read_settings
from pipelines.step_key import recipe_values
from pipelines.steps import STEPS, Work
from tests import toy_models
from tests.training_work import work_of, write_splits

RECIPE = ROOT / "pipelines" / "recipes" / "summary_checker.toml"
PLAIN = {"task": "classification", "gates": [], "finetune.max_length": 40}
TRAIN = ["Deletes the table.", "Lists the role.", "Creates the queue."]
AWAY = ["key", "alias", "bucket"]
# What comes back: other words, the very same, and what stands in the test rows.
HOME = ["Updates the table of the user.", TRAIN[1], "Describes the queue of the region."]


def asked(chain: dict[str, Any]) -> dict[str, Any]:
    return PLAIN | {"finetune.augment": {"back_translation": chain}}


def both(folder: Path) -> dict[str, Any]:
    return {"language": "zh", "there": {"model": str(folder / "there")}, "back": {"model": str(folder / "back")}}


def settings_of(folder: Path) -> Settings:
    return read_settings({"SCRIPTORIUM_HOME": str(folder / "home"), "SCRIPTORIUM_THREADS": "1"})


def translator(folder: Path, pairs: list[tuple[str, str]], languages: tuple[str, str]) -> None:
    """A decoder that has learned a few translations by heart, as the task asks for them."""
    from models import backbone, objectives
    from models.checkpoint import Checkpoints
    from models.schedule import Pace, Passes
    from models.train import train

    tokenizer = toy_models.decoder_tokenizer([*toy_models.TEXTS, "en - zh:", "zh - en:"])
    model = toy_models.decoder(len(tokenizer))
    rows = [{"source": text, "source_lang": languages[0], "target_lang": languages[1]} for text, _ in pairs]
    told = [(TASKS["translation"].asked(row), said) for row, (_, said) in zip(rows, pairs, strict=True)]
    plan = objectives.completion_plan(tokenizer, told, 64, Passes(3, 60, 1))
    train(model, plan, Pace(1e-2), Checkpoints(folder.with_name(f"{folder.name}-checkpoints")))
    backbone.save(model, tokenizer, folder)


def work(folder: Path) -> Work:
    recipe = load_recipe(RECIPE, asked(both(folder)))
    splits = {"train": TRAIN, "validation": ["Of its own."], "test": [HOME[2]]}
    rows = {
        split: [{"id": f"{split}{n}", "text": text, "label": "ab"[n % 2]} for n, text in enumerate(texts)]
        for split, texts in splits.items()
    }
    write_splits(folder / "dataset" / recipe.data.examples, **rows)
    finetune = pinned_translators(recipe.finetune, settings_of(folder))
    return work_of(recipe.model_copy(update={"finetune": finetune}), folder, {"dataset": folder / "dataset"})


@pytest.mark.slow
def test_what_comes_back_in_other_words_is_a_row_and_nothing_that_judges_is(tmp_path: Path):
    from pipelines.augmentation import augmented
    from pipelines.examples import read_split

    translator(tmp_path / "there", list(zip(TRAIN, AWAY, strict=True)), ("en", "zh"))
    translator(tmp_path / "back", list(zip(AWAY, HOME, strict=True)), ("zh", "en"))
    made = work(tmp_path)
    (copy,) = augmented(made, TASKS["classification"], read_split(made, "train"))[3:]
    assert (copy["id"], copy["text"], copy["label"]) == ("train0~back1", HOME[0], "a")
    dropped = read_json(made.out / "augmentation.json")["dropped"]
    assert dropped == {"near_held_out": 1, "already_there": 1, "incomplete": 0}
    (tmp_path / "back" / "model.safetensors").write_bytes(b"another")
    made = replace(made, out=tmp_path, checkpoints=tmp_path)
    with pytest.raises(Refused, match=r"finetune\.augment\.back_translation\.back\.model .* the recipe pins"):
        augmented(made, TASKS["classification"], read_split(made, "train"))


def test_a_run_holds_the_digests_of_its_translators(tmp_path: Path):
    for way in ("there", "back"):
        (tmp_path / way).mkdir()
        (tmp_path / way / "model.safetensors").write_text(way)
    found = pinned_translators(load_recipe(RECIPE, asked(both(tmp_path))).finetune, settings_of(tmp_path))
    chain = found.augment.back_translation
    assert chain.there.sha256 == sha256_file(tmp_path / "there" / "model.safetensors")
    assert chain.back.sha256 == sha256_file(tmp_path / "back" / "model.safetensors")


def test_a_translator_that_is_nowhere_is_named_by_its_key(tmp_path: Path):
    with pytest.raises(Refused, match=r"^finetune\.augment\.back_translation\.there\.model: .* has no model"):
        pinned_translators(load_recipe(RECIPE, asked(both(tmp_path))).finetune, settings_of(tmp_path))
    champion = both(tmp_path) | {"there": {"model": "models:/nobody@champion"}}
    with pytest.raises(Refused, match=r"^finetune\.augment\.back_translation\.there\.model: .*nobody"):
        pinned_translators(load_recipe(RECIPE, asked(champion)).finetune, settings_of(tmp_path))
    unheard = both(tmp_path) | {"there": {"model": "models:/nobody@latest"}}
    with pytest.raises(Refused, match=r"^finetune\.augment\.back_translation\.there\.model is 'models:/nobody@latest'"):
        pinned_translators(load_recipe(RECIPE, asked(unheard)).finetune, settings_of(tmp_path))


def test_rows_of_another_language_are_another_training(tmp_path: Path):
    """A row that does not say its language has that of the recipe, and was translated as such."""
    french = asked(both(tmp_path)) | {"finetune.augment.back_translation.language": "fr"}
    english, chinese = (load_recipe(RECIPE, french | {"language": [name]}) for name in ("en", "zh"))
    fields = STEPS["finetune"].fields
    assert recipe_values(english, fields) != recipe_values(chinese, fields)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"finetune.augment.copies": 2}, "copies: back_translation makes the likeliest one"),
        ({"finetune.augment.share": 0.3}, "share is of the words"),
        ({"language": ["en", "zh"]}, "language is 'zh', that of the recipe's rows"),
        ({"task": "multi_label"}, "back_translation is for tasks that answer with one label"),
        ({"finetune.augment.back_translation.back.artifact": "0" * 64}, r"back\.artifact is the digest of a promoted"),
    ],
)
def test_what_cannot_be_translated_and_back_is_refused(changes: dict[str, object], problem: str, tmp_path: Path):
    with pytest.raises(Refused, match=problem):
        load_recipe(RECIPE, asked(both(tmp_path)) | changes)
