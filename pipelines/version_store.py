"""Put a version into the DVC remote and prove it there, byte by byte."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pipelines.bytes_progress import BytesProgress
from pipelines.data_version import folder_text, md5_file
from pipelines.dvc_objects import CURE, Objects
from pipelines.errors import ScriptoriumError, TryAgain
from pipelines.version_files import Workbench
from pipelines.version_history import Record


def store(version: Record, bench: Workbench) -> None:
    """Make the remote hold all of a version, proved by hashing what the remote gives back.

    What it lacks, or holds damaged, is put there from the bench's `new/<md5>` or from the data folder; the list of the
    files comes last. Raises ScriptoriumError naming a file that nobody here holds whole.
    """
    progress = BytesProgress("hashing what the DVC remote holds", sum(facts.size for facts in version.files.values()))
    for name, facts in version.files.items():
        sources = (bench.folder / "new" / facts.md5, bench.settings.data / name)
        _ensure(name, facts.md5, sources, bench.objects, progress)
    listing = bench.folder / "listing"
    listing.write_text(folder_text(version.version.files), encoding="utf-8")
    _ensure("the list of files", version.md5, (listing,), bench.objects, progress)


def _ensure(name: str, md5: str, sources: Iterable[Path], objects: Objects, progress: BytesProgress) -> None:
    found = objects.found_md5(md5, progress.add)
    if found == md5:
        return
    plain = md5.removesuffix(".dir")
    source = next((path for path in sources if path.is_file() and md5_file(path) == plain), None)
    state = "lacks" if found is None else "holds a damaged copy of"
    if source is None:
        raise ScriptoriumError(f"the DVC remote {state} {name} ({objects.path(md5)}); {CURE}")
    if found is not None:
        print(f"the DVC remote {state} {name}; stored again", flush=True)
    objects.put(source, md5)
    if objects.found_md5(md5, progress.add) != md5:
        raise TryAgain(f"{name} was stored, but {objects.path(md5)} gives other bytes back; try again")
