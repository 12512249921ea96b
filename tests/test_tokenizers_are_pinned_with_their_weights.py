"""A model is its weights, config and tokenizer: a mended one makes another run, and no frozen run takes it."""

import tomllib

import pytest

from pipelines.answers import text
from pipelines.artifact import write_json
from pipelines.base_source import find_base
from pipelines.errors import Refused
from pipelines.model_digests import files_digest
from pipelines.pins import pinned
from pipelines.recipe_file import load_recipe, overrides_from_form, parse_recipe
from pipelines.run import new_run
from pipelines.settings import ROOT, read_settings
from pipelines.steps import STEPS, Work, made_from
from pipelines.student import student_folder
from pipelines.toxicity import classifier_folder
from pipelines.translators import folder_of

WRITER = ROOT / "pipelines" / "recipes" / "docs_writer.toml"
CHECKER = ROOT / "pipelines" / "recipes" / "summary_checker.toml"
FILES = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "spiece.model",
]


@pytest.fixture
def settings(tmp_path):
    return read_settings({"SCRIPTORIUM_HOME": str(tmp_path / "home")})


@pytest.fixture
def folder(tmp_path):
    """A model's folder, as far as its bytes are told apart."""
    found = tmp_path / "mine"
    found.mkdir()
    (found / "model.safetensors").write_bytes(b"weights")
    for name in FILES:
        (found / name).write_text("{}")
    write_json(found / "config.json", {"id2label": {"0": "kind", "1": "toxic"}})
    return found


def classifier(**changes):
    augment = changes.pop("augment", None)
    values = tomllib.loads(CHECKER.read_text()) | {"task": "classification", "gates": []} | changes
    if augment:
        values["finetune"] = {"augment": augment}
    return parse_recipe(values, "test")


def writer(**changes):
    return parse_recipe(tomllib.loads(WRITER.read_text()) | {"gates": []} | changes, "test")


def translated(folder):
    there = {"language": "zh", "there": {"model": str(folder)}, "back": {"model": str(folder)}}
    return classifier(augment={"back_translation": there})


def work(recipe, settings):
    return Work(new_run(recipe, "r1", "0" * 32 + ".dir", "me"), {}, settings.home, settings.home, settings, "")


# Who names a model; the step that reads it; where the frozen run looks for it.
NAMED = {
    "base": (lambda at: classifier(base={"model": str(at)}), "base", lambda now, at: find_base(now.base, at)),
    "encoder": (
        lambda at: writer(evaluate={"encoder": {"model": str(at)}}),
        "score",
        lambda now, at: text.beside(work(now, at))["encoder"],
    ),
    "student": (
        lambda at: classifier(base={"model": {"scratch": "micro-encoder"}}, distil={"student": str(at)}),
        "distil",
        lambda now, at: student_folder(work(now, at), [], at.home),
    ),
    "toxicity": (
        lambda at: writer(validation={"toxicity": {"model": str(at)}}),
        "validate",
        lambda now, at: classifier_folder(now.validation.toxicity, at),
    ),
    "translators": (
        translated,
        "finetune",
        lambda now, at: folder_of(now.finetune.augment.back_translation.back, "back", at),
    ),
}


def keys(recipe, step):
    inputs = dict.fromkeys(STEPS[step].inputs, "0" * 64)
    return made_from(step, new_run(recipe, "r1", "0" * 32 + ".dir", "me"), inputs)


@pytest.mark.parametrize("named", NAMED)
def test_another_tokenizer_makes_another_key_and_is_refused_by_the_run_that_was_frozen(named, folder, settings):
    asked, step, looked_for = NAMED[named]
    before = pinned(asked(folder), settings)
    assert looked_for(before, settings) == folder
    (folder / "tokenizer.json").write_text('{"mended": 1}')
    after = pinned(asked(folder), settings)
    assert keys(after, step) != keys(before, step)
    assert looked_for(after, settings) == folder
    with pytest.raises(Refused, match=rf"config and tokenizer in {folder} .* start a new run"):
        looked_for(before, settings)


@pytest.mark.parametrize("name", FILES)
def test_whatever_is_read_beside_the_weights_counts(name, folder):
    before = files_digest(folder)
    (folder / name).write_text("[]")
    changed = files_digest(folder)
    (folder / name).unlink()
    assert len({before, changed, files_digest(folder)}) == 3


def test_what_only_other_libraries_read_makes_no_other_model(folder):
    before = files_digest(folder)
    for name in ("README.md", "modules.json", "sentence_bert_config.json", "data_config.json", "requirements.txt"):
        (folder / name).write_text("another")
    assert files_digest(folder) == before


def test_weights_that_the_recipe_pins_are_frozen_with_what_lies_beside_them(folder, settings):
    weights = pinned(classifier(base={"model": str(folder)}), settings).base.sha256
    asked = classifier(base={"model": str(folder), "sha256": weights})
    held = pinned(asked, settings).base
    assert (held.sha256, held.files_sha256) == (weights, files_digest(folder))
    both = classifier(base={"model": str(folder), "sha256": weights, "files_sha256": "0" * 64})
    assert pinned(both, settings) == both, "what is pinned stays pinned"
    with pytest.raises(Refused, match="frozen with " + "0" * 64):
        find_base(both.base, settings)
    alone = classifier(base={"model": str(folder), "files_sha256": "0" * 64})
    with pytest.raises(Refused, match="frozen with " + "0" * 64):
        pinned(alone, settings)


@pytest.mark.parametrize("name", ["{}/nowhere", "hf://../etc", "hf://writers/small"])
def test_pinned_weights_may_be_on_another_machine_than_the_run_is_frozen_on(
    name, tmp_path, settings, capsys, monkeypatch
):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    asked = classifier(base={"model": name.format(tmp_path), "sha256": "0" * 64})
    assert pinned(asked, settings) == asked
    assert "the pinned weights are not on this machine" in capsys.readouterr().err


def test_another_base_loses_both_digests_of_the_recipes_own():
    overrides = overrides_from_form(load_recipe(CHECKER), {"base": "hf://org/other"})
    assert {key for key, value in overrides.items() if value is None} >= {"base.sha256", "base.files_sha256"}


def test_a_student_that_is_made_here_has_no_digest_of_files_either():
    distil = {"student": {"scratch": "micro-encoder"}, "files_sha256": "0" * 64}
    with pytest.raises(Refused, match=r"distil.files_sha256 is the digest of a student that is found"):
        classifier(distil=distil)
