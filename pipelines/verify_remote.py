"""Prove that the DVC remote still holds every recorded version, by reading and hashing all of it; heal what it can."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pipelines import mirror
from pipelines.artifact_root import path_of
from pipelines.bytes_progress import BytesProgress
from pipelines.data_version import folder_md5, folder_text, md5_file
from pipelines.dvc_objects import open_objects
from pipelines.settings import ROOT, Settings
from pipelines.version_files import Workbench
from pipelines.version_history import FileFacts, Record, current, versions
from pipelines.version_swap import changing

LISTING = "the list of files"


class Problem(BaseModel):
    """One object of the remote that is not what its name says; `source` is the copy that healed it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    object: str
    state: Literal["missing", "damaged"]
    versions: tuple[str, ...]
    file: str
    source: str | None = None
    cure: str | None = None


@dataclass
class Wanted:
    """An object that versions need, under the name of a file."""

    file: str
    size: int
    versions: list[Record] = field(default_factory=list)


def verify_remote(records: Iterable[Record], settings: Settings, *, heal: bool) -> Iterator[Problem]:
    """Read and hash every object of these versions; those that are missing or damaged, healed where a copy is whole.

    A heal replaces the object at once and reads it again. It is kept from running beside a change of the version.
    """
    objects, wanted = open_objects(settings), wanted_objects(records)
    progress = BytesProgress("hashing what the DVC remote holds", sum(want.size for want in wanted.values()))
    for md5, want in wanted.items():
        found = objects.found_md5(md5, progress.add)
        if found != md5:
            problem = Problem(
                object=objects.path(md5),
                state="missing" if found is None else "damaged",
                versions=tuple(record.md5 for record in want.versions),
                file=want.file,
                cure="`--heal` puts a whole copy in its place, if one is found",
            )
            yield _healed(md5, want, problem, settings) if heal else problem


def stored_versions(settings: Settings) -> list[Record]:
    """What the remote should hold: every recorded version, and the current one once a training has stored it."""
    known, now = versions(settings), current(settings)
    if now.md5 in known:
        return list(known.values())
    objects = open_objects(settings)
    if objects.size(now.md5) is None:
        print(f"version {now.md5} is not in the DVC remote yet; the next training stores it", flush=True)
        return list(known.values())
    files = now.files if folder_md5(now.files) == now.md5 else objects.listing(now.md5)
    facts = {name: FileFacts(md5=md5, size=objects.size(md5) or 0, rows=None) for name, md5 in files.items()}
    unrecorded = Record(event="adopted", md5=now.md5, parent=None, by="", reason="not recorded yet", files=facts)
    return [*known.values(), unrecorded]


def wanted_objects(records: Iterable[Record]) -> dict[str, Wanted]:
    """Every object that versions need, by its md5; files first, so that a list of files is healed after them."""
    found: dict[str, Wanted] = {}
    for record in records:
        for name, facts in record.files.items():
            found.setdefault(facts.md5, Wanted(name, facts.size)).versions.append(record)
    for record in records:
        found.setdefault(record.md5, Wanted(LISTING, len(folder_text(record.version.files)))).versions.append(record)
    return found


def _healed(md5: str, want: Wanted, problem: Problem, settings: Settings) -> Problem:
    with changing(settings) as bench:
        for source in _copies(md5, want, bench):
            if source.is_file() and md5_file(source) == md5.removesuffix(".dir"):
                bench.objects.put(source, md5)
                if bench.objects.found_md5(md5) == md5:
                    name = want.file if want.file == LISTING else str(source)
                    return problem.model_copy(update={"source": name, "cure": None})
    cure = (
        f"no whole copy is here: put the file of md5 {md5} at {settings.data / want.file} and heal again, "
        "or restore the object from a backup; until then no training can read these versions"
    )
    return problem.model_copy(update={"cure": cure})


def _copies(md5: str, want: Wanted, bench: Workbench) -> Iterator[Path]:
    """Where a whole copy may lie: the data folder, DVC's cache, what trainings have got, here and then elsewhere."""
    if md5.endswith(".dir"):
        listing = bench.folder / "listing"
        listing.write_text(folder_text(want.versions[0].version.files), encoding="utf-8")
        yield listing
        return
    settings = bench.settings
    names = {name for record in want.versions for name, facts in record.files.items() if facts.md5 == md5}
    yield from (settings.data / name for name in names)
    yield ROOT / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    artifacts = sorted((Path(settings.artifacts) / "dataset").glob("*"))
    yield from (folder / name for folder in artifacts for name in names)
    for folder in [settings.data, *artifacts]:
        yield from (p for p in sorted(folder.rglob("*")) if p.is_file() and p.stat().st_size == want.size)
    for uri, manifest in mirror.manifests(Path(settings.artifacts) / "dataset", settings).items():
        folder, md5s = path_of(uri, settings), {record.md5 for record in want.versions}
        if not folder.exists() and manifest.made_from.get("dataset_md5") in md5s and mirror.settled(folder, settings):
            yield from (folder / name for name in names)
