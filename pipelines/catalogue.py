"""Every version of the data that there is word of: recorded ones, the current one, and those that a run has read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipelines.data_version import DataVersion, folder_md5, version_of
from pipelines.dvc_objects import open_objects
from pipelines.errors import ScriptoriumError
from pipelines.row_search import Stored
from pipelines.settings import Settings
from pipelines.version_history import current, versions


@dataclass(frozen=True)
class Edition:
    """A version of the data with its files by name; `at` is when it became current first, if that was recorded."""

    md5: str
    at: str | None
    current: bool
    files: Mapping[str, Stored]


def editions(read: Iterable[str], settings: Settings, gaps: list[str]) -> list[Edition]:
    """The recorded versions, oldest first, then the current one and those in `read`, where they are not recorded.

    A version whose files nobody can name becomes a gap.
    """
    recorded = versions(settings)
    now = _current(settings, gaps)
    found = [
        Edition(md5, event.at, now is not None and md5 == now.md5,
                {name: Stored(facts.md5, name, facts.size) for name, facts in event.files.items()})
        for md5, event in recorded.items()
    ]  # fmt: skip
    others = dict.fromkeys([*([now.md5] if now else []), *read])
    for md5 in (md5 for md5 in others if md5 not in recorded):
        try:
            files = _files(md5, now if now and now.md5 == md5 else None, settings)
        except ScriptoriumError as error:
            gaps.append(f"version {md5} was not searched: its files are not known ({error})")
            continue
        found.append(Edition(md5, None, now is not None and md5 == now.md5, files))
    return found


def _current(settings: Settings, gaps: list[str]) -> DataVersion | None:
    try:
        return current(settings)
    except ScriptoriumError as error:
        gaps.append(f"there is no current version: {error}")
        return None


def _files(md5: str, version: DataVersion | None, settings: Settings) -> dict[str, Stored]:
    """The files of a version that is not recorded: as its `.dvc` file, the data folder or the remote names them."""
    if version and settings.data.is_dir() and version_of(settings.data).md5 == md5:
        files = version_of(settings.data).files
    elif version and folder_md5(version.files) == md5:
        files = version.files
    else:
        files = open_objects(settings).listing(md5)
    return {name: Stored(known, name, _size(name, known, settings)) for name, known in files.items()}


def _size(name: str, md5: str, settings: Settings) -> int:
    path = settings.data / name
    return path.stat().st_size if path.is_file() else open_objects(settings).size(md5) or 0
