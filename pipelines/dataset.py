"""The dataset: data/ as `data.dvc` names it, proved byte by byte, and any stored version of it as an artifact."""

from __future__ import annotations

import shutil
from pathlib import Path

from pipelines.data_version import DataVersion, difference, read_version, version_of, write_version
from pipelines.errors import Refused
from pipelines.settings import ROOT, Settings, read_settings
from pipelines.steps import Work, lock

CURE = "`scriptorium data build` makes it again"
# Only a folder that the build made may be replaced by the build.
BUILT = "build.json"


def current_md5() -> str:
    """The version of the data that `data.dvc` names."""
    return read_version(version_file(read_settings())).md5


def version_file(settings: Settings) -> Path:
    """The `.dvc` file beside the data folder, where DVC puts it."""
    return settings.data.with_name(settings.data.name + ".dvc")


def verify() -> None:
    """Prove by re-hashing that the data are those of `data.dvc`. Raises Refused naming the first file that differs."""
    settings = read_settings()
    _refuse_difference(settings.data, read_version(version_file(settings)), CURE)


def build(*, record: bool = False) -> None:
    """Build the example's data and put it in place when it is what `data.dvc` names.

    With `record`, take what was built as the new version. Otherwise raises Refused, naming the first file that
    differs, and leaves the data as they were.
    """
    settings = read_settings()
    with lock(settings.locks / "data", "another process is building the data"):
        if not record and _is_current(settings):
            print(f"{settings.data} is already what {version_file(settings).name} names", flush=True)
            return
        part = _built(settings)
        if record:
            write_version(version_of(part), settings.data, version_file(settings))
        _refuse_difference(part, read_version(_wanted(settings)), "install the pinned packages with `make setup`")
        _replace(settings.data, part)
    version = read_version(version_file(settings))
    print(f"{settings.data}: {len(version.files)} files, {version.size / 1e6:.1f} MB, {version.md5}", flush=True)


def commit_data() -> str:
    """Record the data folder as it is now in its `.dvc` file, store it in the DVC remote and return its md5."""
    from pipelines import dvc_remote

    settings = read_settings()
    if not settings.data.is_dir():
        raise Refused(f"there is no folder {settings.data}; put the data there, or set SCRIPTORIUM_DATA")
    version = version_of(settings.data)
    if not dvc_remote.is_stored(version.md5, settings):
        dvc_remote.store(settings.data, version.md5, settings)
    write_version(version, settings.data, version_file(settings))
    return version.md5


def dataset(work: Work) -> None:
    """Materialise the run's version of the data in `work.out`, from the DVC remote, and prove it.

    A version that the remote lacks is stored first when the data folder holds it; otherwise raises Refused.
    """
    from pipelines import dvc_remote

    settings, md5 = work.settings, work.run.dataset_md5
    where = dvc_remote.remote_url(settings)
    if not dvc_remote.is_stored(md5, settings):
        print(f"storing {settings.data} in the DVC remote {where}", flush=True)
        _refuse_other_version(md5, settings)
        dvc_remote.store(settings.data, md5, settings)
    wanted = dvc_remote.fetch(md5, work.out, settings)
    cure = f"its object below {where} is damaged: delete it, then `scriptorium data build` and try again"
    _refuse_difference(work.out, wanted, cure)
    size = sum(path.stat().st_size for path in work.out.rglob("*") if path.is_file())
    print(f"data {md5}: {len(wanted.files)} files, {size / 1e6:.1f} MB, every one re-hashed", flush=True)


def _refuse_other_version(md5: str, settings: Settings) -> None:
    if not settings.data.is_dir():
        raise Refused(f"data version {md5} is not in the DVC remote, and there is no {settings.data}; {CURE}")
    version = version_of(settings.data)
    if version.md5 != md5:
        wanted = read_version(version_file(settings))
        what = difference(version, wanted) if wanted.md5 == md5 else f"its version is {version.md5}"
        raise Refused(f"data version {md5} is not in the DVC remote, and {settings.data} differs: {what}; {CURE}")


def _refuse_difference(folder: Path, wanted: DataVersion, cure: str) -> None:
    if not folder.is_dir():
        raise Refused(f"{folder} is missing; {cure}")
    if what := difference(version_of(folder), wanted):
        raise Refused(f"{folder} is not version {wanted.md5}: {what}; {cure}")


def _is_current(settings: Settings) -> bool:
    recorded = version_file(settings)
    is_there = recorded.is_file() and settings.data.is_dir()
    return is_there and difference(version_of(settings.data), read_version(recorded)) is None


def _built(settings: Settings) -> Path:
    """The example built beside the data folder, on the same file system."""
    from pipelines.example_data import build_example

    if settings.data.exists() and any(settings.data.iterdir()) and not (settings.data / BUILT).is_file():
        raise Refused(f"{settings.data} was not built by this command; move it away, or set SCRIPTORIUM_DATA elsewhere")
    part = settings.data.with_name(f".{settings.data.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    build_example(part)
    return part


def _wanted(settings: Settings) -> Path:
    """The `.dvc` file that the build must meet; a data folder elsewhere starts with the repository's."""
    recorded = version_file(settings)
    if not recorded.exists():
        shutil.copy(ROOT / "data.dvc", recorded)
    return recorded


def _replace(target: Path, part: Path) -> None:
    """Put a finished folder in the place of an older one."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.replace(old)
    part.replace(target)
    shutil.rmtree(old, ignore_errors=True)
