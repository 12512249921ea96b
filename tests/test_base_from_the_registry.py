"""A base may be what was promoted: an exact version once a run is frozen, and the very bytes that were approved."""

import shutil
import tomllib

import pytest

from pipelines.artifact import NotWhole, read_manifest, sha256_file
from pipelines.base_source import find_base, require_plain
from pipelines.errors import Refused, ScriptoriumError
from pipelines.pins import pinned
from pipelines.production import production_folder
from pipelines.recipe_file import parse_recipe
from pipelines.tracking import connect
from tests.evidence import RECIPE
from tests.promotions import candidate, released


def recipe(**base):
    return parse_recipe(tomllib.loads(RECIPE) | {"base": base}, "test")


@pytest.mark.service
def test_the_champion_of_now_is_frozen_as_version_and_digest_and_stays_so(mlflow_settings, product):
    from pipelines.champion import champion

    first, _ = released(mlflow_settings, product)
    frozen = pinned(recipe(model=f"models:/{product}@champion"), mlflow_settings).base
    assert (frozen.model, frozen.artifact) == (f"models:/{product}/1", first.model.digest)
    folder = find_base(frozen, mlflow_settings)
    assert sha256_file(folder / "model.safetensors") == frozen.sha256
    assert read_manifest(folder.parent).digest == first.model.digest
    held = champion(product, mlflow_settings)
    second, _ = released(mlflow_settings, product, run_id="manual__2", seed=2, champion=held.folder, accuracy=0.83)
    now = pinned(recipe(model=f"models:/{product}@champion"), mlflow_settings).base
    assert (now.model, now.artifact) == (f"models:/{product}/2", second.model.digest)
    assert pinned(recipe(model=f"models:/{product}/1"), mlflow_settings).base == frozen
    assert find_base(frozen, mlflow_settings) == folder
    with pytest.raises(Refused, match=f"is version 2 with artifact {second.model.digest}, but the recipe pins"):
        pinned(recipe(model=f"models:/{product}@champion", artifact=first.model.digest), mlflow_settings)


@pytest.mark.service
def test_it_becomes_a_language_model_again(mlflow_settings, product):
    from models.backbone import load_classifier, masked_from_encoder

    released(mlflow_settings, product)
    folder = find_base(pinned(recipe(model=f"models:/{product}/1"), mlflow_settings).base, mlflow_settings)
    model, _, is_new = masked_from_encoder(folder, 1)
    words = [m.get_input_embeddings().weight for m in (model, load_classifier(folder)[0])]
    assert is_new
    assert words[0].equal(words[1])


@pytest.mark.service
def test_bytes_that_changed_are_not_read(mlflow_settings, product):
    released(mlflow_settings, product)
    base = pinned(recipe(model=f"models:/{product}/1"), mlflow_settings).base
    weights = find_base(base, mlflow_settings) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises((NotWhole, ScriptoriumError), match=r"model\.safetensors"):
        find_base(base, mlflow_settings)
    shutil.rmtree(production_folder(product, base.artifact, mlflow_settings))
    with pytest.raises((NotWhole, ScriptoriumError), match=base.artifact):
        find_base(base, mlflow_settings)


@pytest.mark.service
def test_what_was_never_promoted_is_no_base_whoever_registered_it(mlflow_settings, product):
    candidate(mlflow_settings, product)
    with pytest.raises(Refused, match=f"{product} has no champion yet"):
        pinned(recipe(model=f"models:/{product}@champion"), mlflow_settings)
    connect(mlflow_settings).copy_model_version(f"models:/{product}-candidates/1", product)
    with pytest.raises(Refused, match=f"{product} version 1 was never promoted; nothing vouches for its bytes"):
        pinned(recipe(model=f"models:/{product}/1"), mlflow_settings)


@pytest.mark.parametrize(
    "name", ["models:/", "models:/x@latest", "models:/../x/1", "models:/checker/0", "models:/a/1/2"]
)
def test_a_name_that_is_no_version_is_refused(name, tmp_path):
    from pipelines.settings import read_settings

    with pytest.raises(Refused, match=r"of the registry it takes models:/name@champion or /version"):
        pinned(recipe(model=name), read_settings({"SCRIPTORIUM_HOME": str(tmp_path)}))


def test_peft_weights_and_pickles_are_refused_by_name(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    require_plain(tmp_path, "models:/x/1")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(Refused, match=r"models:/x/1 holds pytorch_model.bin, and a base is read from safetensors"):
        require_plain(tmp_path, "models:/x/1")
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(Refused, match="holds PEFT weights beside a model that it only names; merge them"):
        require_plain(tmp_path, "models:/x/1")


def test_an_artifacts_digest_is_refused_for_what_is_no_promoted_model():
    with pytest.raises(Refused, match=r"base.artifact is the digest of a promoted model, models:/name; leave it out"):
        recipe(model="hf://org/name", artifact="0" * 64)


@pytest.mark.slow
@pytest.mark.parametrize("texts", [1, 2])
def test_the_encoder_of_our_own_classifier_is_a_base_with_what_it_learned(tmp_path, texts):
    import torch

    from models import backbone
    from tests.toy_models import encoder_folder

    model, tokenizer = backbone.new_classifier(encoder_folder(tmp_path / "encoder"), ["no", "yes"], 1, 64, texts)
    with torch.no_grad():
        model.encoder.embeddings.word_embeddings.weight.add_(1.0)
    backbone.save(model, tokenizer, tmp_path / "tuned")
    learned, _, is_new = backbone.masked_from_encoder(tmp_path / "tuned", 1)
    backbone.save(learned, tokenizer, tmp_path / "base")
    again, _ = backbone.load_masked(tmp_path / "base")
    ids = torch.tensor([[5, 6, 7]])
    states = [m.eval()(input_ids=ids).last_hidden_state for m in (model.encoder, again.base_model)]
    assert is_new
    torch.testing.assert_close(*states)
