"""Many files fetched at once, each whole or not at all, with a log from which a killed try goes on."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Lock

from pydantic import BaseModel, ConfigDict, ValidationError

from models import stop
from pipelines import storage
from pipelines.delivery import TakenFile
from pipelines.errors import ScriptoriumError
from pipelines.s3 import CONNECTIONS
from pipelines.s3_errors import Changed, Damaged
from pipelines.storage import Fetched, Stored

TRIES = 2
REQUEST = 1 << 20  # a request costs about as much time as this many bytes; for the estimate alone
TELL_S = 5.0

Say = Callable[[str], None]


class Arrived(BaseModel):
    """A line of the log: a file that is whole; `again` when this content had been taken before, and was not kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    file: TakenFile
    again: bool


@dataclass(frozen=True)
class Work:
    """The folder of an unfinished taking."""

    folder: Path

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def files(self) -> Path:
        return self.out / "files"

    @property
    def log(self) -> Path:
        return self.folder / "arrived.jsonl"

    def part(self, stored: Stored) -> Path:
        return self.folder / "parts" / storage.part_name(stored)

    def missing(self, stored: Stored) -> int:
        """How many bytes of a file have not arrived."""
        part = self.part(stored)
        return max(0, stored.size - (part.stat().st_size if part.exists() else 0))


def arrived(work: Work) -> dict[str, Arrived]:
    """What is whole, by URI; a later content of a file takes the place of an earlier one."""
    lines = work.log.read_bytes().split(b"\n") if work.log.exists() else []
    found = {entry.file.uri: entry for line in lines if (entry := _entry(line))}
    return {uri: entry for uri, entry in found.items() if entry.again or _is_there(work, entry.file)}


def _entry(line: bytes) -> Arrived | None:
    try:
        return Arrived.model_validate_json(line)
    except ValidationError:  # the end of a line that a kill cut short
        return None


def _is_there(work: Work, file: TakenFile) -> bool:
    path = work.files / file.name
    return path.is_file() and path.stat().st_size == file.size


class _Progress:
    """Counts what arrives, says every few seconds how long the rest will take, and lets all threads stop."""

    def __init__(self, files: int, size: int, say: Say) -> None:
        self.files, self.size, self.say = files, size, say
        self.done = self.bytes = 0
        self.start = self.told = time.monotonic()
        self.guard = Lock()
        self.halt = Event()

    def arrived(self, count: int, files: int = 0) -> None:
        with self.guard:
            self.bytes += count
            self.done += files
            now = time.monotonic()
            if now - self.told >= TELL_S:
                self.told = now
                self.say(self._words(now - self.start))
        if self.halt.is_set() or stop.requested.is_set():
            raise stop.Stopped("what has arrived is kept; the next try goes on with it")

    def _words(self, spent: float) -> str:
        share = (self.bytes + self.done * REQUEST) / (self.size + self.files * REQUEST)
        left = spent * (1 - share) / share if 0 < share < 1 else 0.0
        amount = f"{self.done:,} of {self.files:,} files, {self.bytes / 1e6:,.0f} of {self.size / 1e6:,.0f} MB"
        return f"  {amount}, {left:,.0f} s left"


def fetch_all(wanted: Sequence[Stored], known: Mapping[str, TakenFile], work: Work, say: Say) -> dict[str, str]:
    """Fetch all files into `work`, several at a time; return those that had to be left, and why.

    Raises the first error that no second try could help against; what has arrived by then is kept.
    """
    _refuse_full_disk(wanted, work)
    progress = _Progress(len(wanted), sum(map(work.missing, wanted)), say)
    left: dict[str, str] = {}
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        jobs = {pool.submit(_take, stored, known, work, progress): stored for stored in wanted}
        try:
            for job in as_completed(jobs):
                if why := job.result():
                    left[jobs[job].name] = why
        except BaseException:
            progress.halt.set()
            pool.shutdown(cancel_futures=True)
            raise
    return left


def _take(stored: Stored, known: Mapping[str, TakenFile], work: Work, progress: _Progress) -> str:
    """Fetch one file into its place; why it was left, or nothing. A file that changes meanwhile is begun again."""
    now: Stored | None = stored
    for last in (False, True):
        if now is None or now.objection:
            return now.objection if now else "it was deleted"
        try:
            _keep(now, storage.fetch(now, work.part(now), progress.arrived), known, work)
        except Changed:
            now = storage.look(stored)
        except Damaged as error:
            if last:
                raise
            progress.say(f"{error}; fetching it again")
        else:
            progress.arrived(0, files=1)
            return ""
    return "it changes while it is being read"


def _keep(stored: Stored, fetched: Fetched, known: Mapping[str, TakenFile], work: Work) -> None:
    """Note in the log that a file is whole, then move it to its place: killed in between, it need not come again."""
    facts = {name: value for name, value in asdict(stored).items() if name != "objection"}
    file = TakenFile(**facts, sha256=fetched.sha256, proof=fetched.proof)
    before = known.get(file.uri)
    entry = Arrived(file=file, again=before is not None and before.sha256 == file.sha256)
    target = work.files / file.name
    # What a killed try brought of an earlier content would pass for this one: it may have the same size.
    target.unlink(missing_ok=True)
    with work.log.open("ab", buffering=0) as log:
        # First the line's end: what a kill cut short is then a line of its own.
        log.write(b"\n" + entry.model_dump_json().encode())
    if entry.again:
        work.part(stored).unlink()
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    work.part(stored).replace(target)


def _refuse_full_disk(wanted: Sequence[Stored], work: Work) -> None:
    for folder in (work.files, work.folder / "parts"):
        folder.mkdir(parents=True, exist_ok=True)
    needed, free = sum(map(work.missing, wanted)), shutil.disk_usage(work.folder).free
    if needed > free:
        cure = "free some space, or move SCRIPTORIUM_HOME"
        raise ScriptoriumError(
            f"{needed / 1e6:,.0f} MB are to come, {work.folder} has room for {free / 1e6:,.0f}; {cure}"
        )
