"""What lies at a source and has not been taken: taken once, whole, and gone on with after a kill.

A delivery is HOME/landing/<id>/: `files/` as they lay at the source, and manifest.json. It appears at once, when all of
it has arrived; until then its files stand in the work folder of HOME.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipelines import storage
from pipelines.artifact import MANIFEST, publish, sha256_text, write_json
from pipelines.delivery import Delivery, TakenFile, deliveries, landing, last_taken
from pipelines.fetching import TELL_S, Arrived, Say, Work, arrived, fetch_all
from pipelines.locks import lock
from pipelines.safe_names import folders, objection, shown
from pipelines.settings import Settings
from pipelines.storage import Stored

QUIET_S = 2.0  # a local file that was written later than this is looked at again before it is taken
UNFINISHED = (".part", ".tmp", ".partial", ".filepart", ".crdownload")


@dataclass(frozen=True)
class Taken:
    """What a take brought: the delivery (None when there was nothing new), its folder, and why others were left."""

    delivery: Delivery | None
    folder: Path | None
    left: Mapping[str, str]


def take(source: str, settings: Settings, *, say: Say = print, quiet_s: float = QUIET_S) -> Taken:
    """Take every new file at a folder or s3://bucket/prefix/ into one delivery below HOME/landing.

    A file is new when its URI holds content that was not taken from there last. Unfinished ones are left for the
    next time. One process takes at a time; a killed try is gone on with. Raises Refused for a source that is none.
    """
    source = storage.place(source)
    work = Work(settings.work / "landing" / sha256_text(source)[:16])
    with lock(settings.locks / "landing", "another process is taking files in"):
        # A manifest here is that of a try that was killed before its delivery had its place.
        (work.out / MANIFEST).unlink(missing_ok=True)
        known = last_taken(deliveries(settings))
        here = {entry.file.uri: entry.file for entry in _undelivered(work, known)}
        wanted, left = sort_out(_listed(source, say), known, here)
        wanted, unsettled = _settled(wanted, quiet_s, say)
        left |= unsettled
        if wanted:
            size = sum(map(work.missing, wanted)) / 1e6
            say(f"taking {len(wanted):,} files from {source}; {size:,.1f} MB are to come")
            left |= fetch_all(wanted, known, work, say)
        delivery = _deliver(source, _undelivered(work, known), work, settings)
    folder = landing(settings) / delivery.id if delivery and delivery.files else None
    _tell(source, delivery, folder, left, say)
    return Taken(delivery, folder, left)


def _listed(source: str, say: Say) -> list[Stored]:
    found, told = [], time.monotonic()
    for stored in storage.files_at(source):
        found.append(stored)
        if time.monotonic() - told >= TELL_S:
            told = time.monotonic()
            say(f"  {len(found):,} files found so far")
    return found


def sort_out(
    found: Sequence[Stored], known: Mapping[str, TakenFile], here: Mapping[str, TakenFile]
) -> tuple[list[Stored], dict[str, str]]:
    """Those to fetch, and why others are left. `known` were taken before, `here` have arrived in a killed try."""
    names = folders(stored.name for stored in found)
    wanted, left = [], {}
    for stored in found:
        if why := objection(stored.name) or stored.objection or unfinished(stored.name):
            left[stored.name] = why
        elif stored.name in names:
            left[stored.name] = "another file has its name as a folder"
        elif not any(stored.uri in taken and taken[stored.uri].is_still(stored) for taken in (here, known)):
            wanted.append(stored)
    return wanted, left


def unfinished(name: str) -> str:
    """Why a name says that its file is hidden or not complete yet; empty when it says no such thing."""
    parts = name.split("/")
    if "_temporary" in parts or name.lower().endswith(UNFINISHED):
        return "its name says that it is unfinished"
    return "its name says that it is hidden" if any(part.startswith(".") for part in parts) else ""


def _settled(wanted: Sequence[Stored], quiet_s: float, say: Say) -> tuple[list[Stored], dict[str, str]]:
    """Wait a moment where files of this machine have just been written, and leave those that still are."""
    earliest = time.time() - quiet_s
    fresh = [s for s in wanted if not s.uri.startswith("s3://") and s.modified > earliest]
    if not fresh:
        return list(wanted), {}
    say(f"{len(fresh):,} files have just been written; looking again in {quiet_s:g} s")
    time.sleep(quiet_s)
    left = {s.name: "it is still being written" for s in fresh if storage.look(s) != s}
    return [s for s in wanted if s.name not in left], left


def _undelivered(work: Work, known: Mapping[str, TakenFile]) -> list[Arrived]:
    """What has arrived; the log of a try that was killed just after its delivery says nothing new."""
    return [entry for uri, entry in arrived(work).items() if known.get(uri) != entry.file]


def _deliver(source: str, entries: Sequence[Arrived], work: Work, settings: Settings) -> Delivery | None:
    """Give what has arrived its manifest and its place."""
    files = tuple(sorted((e.file for e in entries if not e.again), key=lambda file: file.name))
    again = tuple(sorted((e.file for e in entries if e.again), key=lambda file: file.name))
    if not entries:
        shutil.rmtree(work.folder, ignore_errors=True)
        return None
    work.files.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    content = sha256_text("\n".join(f"{file.uri} {file.sha256}" for file in files + again))
    name = f"{now:%Y%m%dT%H%M%S.%fZ}-{content[:8]}"
    delivery = Delivery(id=name, source=source, taken=now.isoformat(), files=files, again=again)
    write_json(work.out / MANIFEST, delivery.model_dump(mode="json"))
    with (work.out / MANIFEST).open("rb") as manifest:
        os.fsync(manifest.fileno())
    publish(work.out, landing(settings) / name)
    shutil.rmtree(work.folder)
    return delivery


def _tell(source: str, delivery: Delivery | None, folder: Path | None, left: Mapping[str, str], say: Say) -> None:
    if delivery and folder:
        size = sum(file.size for file in delivery.files) / 1e6
        say(f"took {len(delivery.files):,} files ({size:,.1f} MB) from {source} into {folder}")
    else:
        say(f"nothing new at {source}")
    if left:
        some = "; ".join(f"{shown(name)}: {why}" for name, why in sorted(left.items())[:5])
        say(f"left {len(left):,} files for the next time: {some}{'; ...' if len(left) > 5 else ''}")
