"""The dataset: data/ as `data.dvc` names it, proved byte by byte, and any stored version of it as an artifact."""

from __future__ import annotations

import shutil
from pathlib import Path

from pipelines.data_version import DataVersion, difference, read_version, version_of, write_version
from pipelines.errors import Refused
from pipelines.locks import lock
from pipelines.settings import ROOT, Settings, read_settings
from pipelines.steps import Work
from pipelines.version_history import current, history, version_file, versions
from pipelines.version_swap import finish
from pipelines.versions import Cause, adopt, pin, who

CURE = "`scriptorium data build` makes it again"
# Only a folder that the build made may be replaced by the build.
BUILT = "build.json"


def current_md5() -> str:
    """The version of the data that counts: what `data.dvc` names, or without git the last one recorded."""
    return current(read_settings()).md5


def verify() -> None:
    """Prove by re-hashing that the data are the current version. Raises Refused naming the first file that differs."""
    settings = read_settings()
    finish(settings)
    version = current(settings)
    known = version.md5 in versions(settings)
    cure = f"`scriptorium data pin {version.md5[:12]}` gets it from the DVC remote" if known else CURE
    cure += "; what you put there yourself, `scriptorium data commit` records"
    _refuse_difference(settings.data, version, cure)


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
        if not record and (md5 := _made_of_rows(settings)):
            pin(md5, Cause("the data folder was to be made again", who()), settings)
            return
        part = _built(settings)
        if record:
            write_version(version_of(part), settings.data, version_file(settings))
        _refuse_difference(part, read_version(_wanted(settings)), "install the pinned packages with `make setup`")
        _replace(settings.data, part)
        if record:
            adopt(version_of(settings.data), "it was built", settings)
    version = read_version(version_file(settings))
    print(f"{settings.data}: {len(version.files)} files, {version.size / 1e6:.1f} MB, {version.md5}", flush=True)


def commit_data(reason: str = "the data folder held it") -> str:
    """Record the data folder as it is now in its `.dvc` file, store it in the DVC remote and return its md5."""
    from pipelines import dvc_remote

    settings = read_settings()
    if not settings.data.is_dir():
        raise Refused(f"there is no folder {settings.data}; put the data there, or set SCRIPTORIUM_DATA")
    finish(settings)
    version = version_of(settings.data)
    if not dvc_remote.is_stored(version.md5, settings):
        dvc_remote.store(settings.data, version.md5, settings)
    adopt(version, reason, settings)
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
    cure = f"its object below {where} is damaged: `scriptorium data verify --remote --heal` mends it"
    _refuse_difference(work.out, wanted, cure)
    size = sum(path.stat().st_size for path in work.out.rglob("*") if path.is_file())
    print(f"data {md5}: {len(wanted.files)} files, {size / 1e6:.1f} MB, every one re-hashed", flush=True)


def _refuse_other_version(md5: str, settings: Settings) -> None:
    if not settings.data.is_dir():
        raise Refused(f"data version {md5} is not in the DVC remote, and there is no {settings.data}; {CURE}")
    version = version_of(settings.data)
    if version.md5 != md5:
        wanted = current(settings)
        what = difference(version, wanted) if wanted.md5 == md5 else f"its version is {version.md5}"
        raise Refused(f"data version {md5} is not in the DVC remote, and {settings.data} differs: {what}; {CURE}")


def _refuse_difference(folder: Path, wanted: DataVersion, cure: str) -> None:
    if not folder.is_dir():
        raise Refused(f"{folder} is missing; {cure}")
    if what := difference(version_of(folder), wanted):
        raise Refused(f"{folder} is not version {wanted.md5}: {what}; {cure}")


def _made_of_rows(settings: Settings) -> str | None:
    """The current version if adding or removing rows made it, so that no build can."""
    made = {event.md5 for event in history(settings) if event.event == "changed"}
    return md5 if made and (md5 := current(settings).md5) in made else None


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
