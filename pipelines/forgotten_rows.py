"""Rows that were forgotten and come again: known by what they say, or by their ids in the file that they are for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pipelines import forgotten
from pipelines.data_version import DataVersion
from pipelines.errors import Refused
from pipelines.forgotten import Forgotten
from pipelines.row_search import How, Row, Stored, digest_of, name_of, said_of, search
from pipelines.settings import Settings
from pipelines.version_history import changed, current

NAMED = 10  # places named in a message


def back(rows: Iterable[Row], file: str, acts: Sequence[Forgotten]) -> Iterator[int]:
    """The positions of rows for a file of the data that were forgotten: what they say, or their ids in that file."""
    contents = {content for act in acts for row in act.rows for content in row.sha256}
    said = {text for act in acts for row in act.rows for text in row.said}
    ids = {row.id for act in acts for row in act.rows if file in row.files and not row.near}
    for position, row in enumerate(rows if acts else ()):
        name = name_of(row)
        if (name is not None and name in ids) or digest_of(row) in contents or (said and said_of(row) in said):
            yield position


def refuse_back(version: DataVersion, settings: Settings) -> None:
    """Raise Refused, naming places, for forgotten rows with which the data folder would bring them back.

    `version` is what the folder holds. A copy that was left where it is, when a row was forgotten, does not come back:
    what the current version holds may stay.
    """
    acts = forgotten.read(settings)
    if not acts:
        return
    now = current(settings).files
    names = [name for name in changed(now, version.files) if name in version.files]
    found = list(_found(names, version.files, acts, settings))
    if not found:
        return
    held = {sha256 for _, _, sha256 in _found(now, now, acts, settings)}
    if places := [f"{name} line {line}" for name, line, sha256 in found if sha256 not in held]:
        more = f" and {len(places) - NAMED:,} more" if len(places) > NAMED else ""
        raise Refused(
            f"nothing is recorded: {len(places):,} rows in {settings.data} were forgotten, with a reason on record: "
            f"{', '.join(places[:NAMED])}{more}; remove them, and commit again"
        )


def _found(
    names: Iterable[str], md5s: Mapping[str, str], acts: Sequence[Forgotten], settings: Settings
) -> Iterator[tuple[str, int, str]]:
    """File, line and digest of each forgotten row in these files of a version."""
    for name in names:
        if not name.endswith(".jsonl"):
            continue

        def match(rows: Sequence[Row], name: str = name) -> Iterator[tuple[int, How]]:
            return ((place, "id") for place in back(rows, name, acts))

        matches = search([Stored(md5s[name], name, _size(settings.data / name))], match, settings).matches
        yield from ((name, match.line, match.sha256) for match in matches.get(md5s[name], ()))


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
