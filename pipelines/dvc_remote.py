"""DVC's remote: store a data folder there, and get any stored version back by its md5.

Each operation works in a DVC project of its own that is removed afterwards. So nothing half-done, and no damaged
cache, outlives a kill; and the git checkout may be read-only, or no git checkout at all.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.data_version import DataVersion, write_version
from pipelines.errors import ScriptoriumError
from pipelines.locks import lock
from pipelines.settings import ROOT, Settings

EMBEDDED = "embedded"


@contextmanager
def _project(settings: Settings) -> Iterator[Any]:
    """Open a fresh DVC project on the remote that `.dvc/config` names; one process at a time.

    The embedded remote is a folder below SCRIPTORIUM_HOME. Raises ScriptoriumError for what DVC refuses.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    # DVC's own lock gives up after three seconds, so ours goes round it.
    with lock(settings.locks / "dvc", "another process is using the DVC remote"):
        folder = settings.work / "dvc"
        _remove(folder)
        (folder / ".dvc" / "tmp").mkdir(parents=True)
        (folder / ".dvc" / "config").touch()
        try:
            with Repo(str(folder), config=_config(folder, settings)) as project:
                yield project
        except DvcException as error:
            raise ScriptoriumError(f"DVC: {error} (remote: {remote_url(settings)})") from error
        finally:
            _remove(folder)


def _config(folder: Path, settings: Settings) -> dict[str, Any]:
    """The repository's DVC configuration, with everything that DVC writes inside `folder`."""
    values = configuration(settings)
    values["core"] |= {"no_scm": True, "analytics": False, "check_update": False, "autostage": False}
    values["core"]["site_cache_dir"] = str(folder / "site")
    # Links instead of copies: the cache is removed with the project, and then each file has one link again.
    values["cache"] = {"dir": str(folder / "cache"), "type": ["hardlink", "copy"]}
    return values


def configuration(settings: Settings) -> dict[str, Any]:
    """The repository's DVC configuration; the embedded remote is a folder below SCRIPTORIUM_HOME."""
    from dvc.config import Config

    values: dict[str, Any] = dict(Config(str(ROOT / ".dvc")) if (ROOT / ".dvc").is_dir() else {})
    values |= {"core": dict(values.get("core", {})), "remote": dict(values.get("remote", {}))}
    if values["core"].setdefault("remote", EMBEDDED) == EMBEDDED:
        values["remote"] = {EMBEDDED: {"url": str(settings.home / "dvc-remote")}}
    return values


def remote_url(settings: Settings) -> str:
    """Where the remote is, for people to read."""
    values = configuration(settings)
    return str(values["remote"].get(values["core"]["remote"], {}).get("url", "?"))


def is_stored(md5: str, settings: Settings) -> bool:
    """Whether the remote holds the listing of a version and every file that it names."""
    with _project(settings) as project:
        files = _listing(project, md5)
        return files is not None and _missing(project, files) is None


def store(folder: Path, md5: str, settings: Settings) -> None:
    """Put a folder into the remote and prove that all of it arrived. Raises ScriptoriumError."""
    with _project(settings) as project:
        objects = project.cloud.get_remote_odb()
        if objects.fs.exists(objects.oid_to_path(md5)):
            # `dvc push` trusts a listing that is there and would not replace the files missing behind it.
            objects.fs.remove(objects.oid_to_path(md5))
        project.add(str(folder), out=str(Path(project.root_dir) / "data"))
        project.push()
        files = _listing(project, md5)
        if files is None or (missing := _missing(project, files)):
            what = "its listing" if files is None else missing
            raise ScriptoriumError(f"{folder} was pushed, but {remote_url(settings)} lacks {what}; try again")


def fetch(md5: str, out: Path, settings: Settings) -> DataVersion:
    """Get a stored version into the empty folder `out`; return what should be there, for the caller to prove."""
    with _project(settings) as project:
        version = DataVersion(md5=md5, size=0, files=_listing(project, md5) or {})
        data = Path(project.root_dir) / "data"
        write_version(version, data, data.with_name("data.dvc"))
        project.pull()
        for path in sorted(data.iterdir()):
            shutil.move(path, out / path.name)
    for path in out.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return version


def _listing(project: Any, md5: str) -> dict[str, str] | None:
    """The files of a stored version with their md5; None when the remote does not hold the listing."""
    objects = project.cloud.get_remote_odb()
    path = objects.oid_to_path(md5)
    if not objects.fs.exists(path):
        return None
    with objects.fs.open(path, "rb") as file:
        text = file.read()
    if hashlib.md5(text, usedforsecurity=False).hexdigest() + ".dir" != md5:
        raise ScriptoriumError(
            f"the DVC remote's list of version {md5} is damaged: `scriptorium data verify --remote --heal` mends it"
        )
    return {entry["relpath"]: entry["md5"] for entry in json.loads(text)}


def _missing(project: Any, files: dict[str, str]) -> str | None:
    """The first file of which the remote has no object."""
    found = set(project.cloud.get_remote_odb().list_oids_exists(set(files.values())))
    return next((name for name, md5 in files.items() if md5 not in found), None)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
