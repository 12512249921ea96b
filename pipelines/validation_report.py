"""The report that `scriptorium validate` writes, and what it compares the files with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from pipelines.artifact import write_json
from pipelines.data_page import Part, data_page
from pipelines.data_summary import Picture, Summary
from pipelines.data_version import md5_file
from pipelines.dvc_objects import open_objects
from pipelines.errors import Refused
from pipelines.facts import View
from pipelines.findings import Result
from pipelines.page import write_page
from pipelines.settings import Settings, read_settings
from pipelines.summaries import known_summary, summary_of
from pipelines.version_history import history

Say = Callable[[str], None]
SUMMARY = ".summary.json"
NAMES = {"part": "Files", "training": "Training files", "evaluation": "Evaluation files"}


@dataclass(frozen=True)
class Earlier:
    """What rows were before, and whose they were in words; or why that is not known."""

    summary: Summary | None
    said: str


def write_report(path: Path, result: Result, pictures: Mapping[str, Picture], before: Earlier) -> None:
    """Write the page, and beside it the numbers for a later one to be compared with. Raises Refused."""
    first = next(iter(pictures), "")
    parts = [
        Part(NAMES[role], picture, before.summary, before.said)
        if role == first
        else Part(NAMES[role], picture, None, f"Only the {NAMES[first].lower()} are compared with earlier ones.")
        for role, picture in pictures.items()
    ]
    names = [Path(file.name).name for picture in pictures.values() for file in picture.files]
    title = ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
    write_page(path, data_page(title[:200], f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", result, parts))
    if first:
        write_json(path.with_suffix(SUMMARY), pictures[first].summary.model_dump(mode="json"))


def earlier(files: Sequence[Path], against: Sequence[Path], view: View, say: Say) -> Earlier:
    """What files are compared with: what somebody names, or the last version of a file of the data that is another.

    Raises Refused for files that cannot be compared with.
    """
    if not against:
        return _last_version(files, view, say)
    names = ", ".join(path.name for path in against)[:200]
    if missing := [path for path in against if not path.is_file()]:
        raise Refused(f"--against {missing[0]}: it is not there, or no file")
    if any(path.name.endswith(SUMMARY) for path in against):
        return Earlier(_read(against, view), f"those of {names}")
    return Earlier(summary_of(against, view, say), f"those of {names}")


def _read(against: Sequence[Path], view: View) -> Summary:
    path = against[0]
    if len(against) > 1:
        raise Refused(f"--against: {path} is a summary, so it must be the only one")
    try:
        found = Summary.model_validate_json(path.read_bytes())
    except ValidationError:
        raise Refused(f"--against {path} is no summary that a report has written") from None
    if found.format != view.name:
        raise Refused(f"--against {path} is about rows of the format {found.format}, these are {view.name}")
    return found


def _last_version(files: Sequence[Path], view: View, say: Say) -> Earlier:
    unknown = Earlier(None, "There is nothing to compare with: name an earlier file or its summary with --against.")
    settings = read_settings()
    if len(files) != 1 or not files[0].is_file() or not files[0].resolve().is_relative_to(settings.data.resolve()):
        return unknown
    name = files[0].resolve().relative_to(settings.data.resolve()).as_posix()
    mine = md5_file(files[0])
    for record in reversed(history(settings)):
        if name in record.files and record.files[name].md5 != mine:
            found = _of_version(record.files[name].md5, view, settings, say)
            return Earlier(found, f"those of version {record.md5[:12]}")
    return unknown


def _of_version(md5: str, view: View, settings: Settings, say: Say) -> Summary:
    path = settings.work / f"compared-{md5}.jsonl"

    def fetched() -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        open_objects(settings).get(md5, path)
        return path

    try:
        return known_summary(md5, fetched, view, settings, say)
    finally:
        path.unlink(missing_ok=True)
