"""Where a row or a text is: in which versions of the data, which runs read those, and what came of the runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from pipelines.artifact import sha256_text
from pipelines.catalogue import Edition, editions
from pipelines.errors import Refused
from pipelines.lineage import Candidate, KeptRun, Lineage, Told, Use, read_lineage
from pipelines.row_search import Found, How, Match, Matcher, Stored, by_id, by_text, search
from pipelines.settings import Settings

SHOWN = 100  # rows of a file that are named one by one
ROWS = ".jsonl"


class Row(Told):
    """A row that was found."""

    line: int
    id: str | None
    how: How


class Held(Told):
    """A file of a version with the rows in it, the first hundred of them named."""

    file: str
    count: int
    rows: tuple[Row, ...]


class Version(Told):
    """A version that holds what was asked for."""

    md5: str
    at: str | None
    current: bool
    files: tuple[Held, ...]


class Reading(Told):
    """What a run did with a file that holds it; rows held out of a corpus are measured on, not learned from."""

    file: str
    use: Use
    learned: bool


class Reader(Told):
    """A run that read a version which holds it; `read` is empty when its recipe reads none of the files concerned.

    `base` names the run that made the model which this run started from, when that one had learned from it, and
    `translators` those whose models translated training rows, when they had.
    """

    run: str
    recipe: str
    version: str
    requested_by: str
    read: tuple[Reading, ...]
    base: str | None
    translators: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...]

    @property
    def learned(self) -> bool:
        return self.base is not None or bool(self.translators) or any(reading.learned for reading in self.read)


class Trace(Told):
    """The whole answer. `retrain` are the recipes whose champion learned from it.

    `gaps` is all that could not be looked at or asked, in words; `unread` the md5s among it: files that no version may
    lack, and versions whose files nobody can name.
    """

    asked: Literal["id", "text"]
    sha256: str
    versions: tuple[Version, ...]
    readers: tuple[Reader, ...]
    retrain: tuple[str, ...]
    searched: tuple[str, ...]
    gaps: tuple[str, ...]
    unread: tuple[str, ...]


class Sought:
    """All versions with what was looked for in them; every file was read once, in however many versions it is."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.gaps = settings, list[str]()
        self.lineage: Lineage = read_lineage(settings)
        self.gaps += self.lineage.gaps
        read = dict.fromkeys(run.dataset_md5 for run in self.lineage.runs)
        self.editions = editions(read, settings, self.gaps)
        self.unknown = sorted(set(read) - {edition.md5 for edition in self.editions})

    @property
    def current(self) -> Edition:
        """The current version. Raises Refused when there is none."""
        found = next((edition for edition in self.editions if edition.current), None)
        if found is None:
            raise Refused("there is no current version of the data; `scriptorium data build` makes one")
        return found

    def search(self, matcher: Matcher, among: Sequence[Edition] | None = None, *, texts: bool = False) -> Found:
        """Look through the files of rows of these versions, or of all."""
        files = {stored.md5: stored for edition in (self.editions if among is None else among)
                 for stored in edition.files.values() if stored.name.endswith(ROWS)}  # fmt: skip
        return search(files.values(), matcher, self.settings, texts=texts)

    def versions(self, matches: Mapping[str, Sequence[Match]]) -> list[Version]:
        """The versions that hold what was found, oldest first."""
        held = ((edition, tuple(_held(edition, matches))) for edition in self.editions)
        return [Version(md5=e.md5, at=e.at, current=e.current, files=files) for e, files in held if files]

    def readers(self, matches: Mapping[str, Sequence[Match]]) -> list[Reader]:
        """The runs that read those versions, and the runs that started from what they made."""
        holding = {edition.md5: edition for edition in self.editions if any(_held(edition, matches))}
        found = {
            run.name: _reader(run, holding[run.dataset_md5], matches, self.lineage)
            for run in self.lineage.runs
            if run.dataset_md5 in holding
        }
        while more := dict(self._descended(found)):
            found |= more
        return list(found.values())

    def _descended(self, found: Mapping[str, Reader]) -> Iterator[tuple[str, Reader]]:
        """Runs whose base model or translators had learned from it, not yet known to."""
        learned = [(reader.run, made) for reader in found.values() if reader.learned for made in reader.candidates]
        for run in self.lineage.runs:
            before = found.get(run.name) or _bare(run, self.lineage)
            origins = [(name, made) for name, made in learned if name != run.name]
            base = next((name for name, made in origins if run.starts_from(made)), None)
            translators = {*before.translators, *(name for name, made in origins if run.is_translated_by(made))}
            now = {"base": before.base or base, "translators": tuple(sorted(translators))}
            if (after := before.model_copy(update=now)) != before:
                yield run.name, after

    def unread(self, found: Found) -> list[str]:
        """What could not be searched, in words."""
        names = {stored.md5: stored.name for edition in self.editions for stored in edition.files.values()}
        said = [f"{names[md5]} (md5 {md5}) was not searched: {why}" for md5, why in found.unread.items()]
        bad = found.no_rows.items()
        said += [f"{names[md5]} (md5 {md5}) has {count:,} lines that are no JSON objects" for md5, count in bad]
        others = sorted(
            {s.name for edition in self.editions for s in edition.files.values() if not s.name.endswith(ROWS)}
        )
        return said + ([f"files that are no JSON lines were not searched: {', '.join(others)}"] if others else [])


def trace(text: str, settings: Settings) -> Trace:
    """Find the rows that have this id; if none has, the rows that say this text, exactly or nearly.

    Raises Refused for an empty question.
    """
    if not text.strip():
        raise Refused("give the id of a row, or a text")
    sought, asked = Sought(settings), "id"
    found = sought.search(by_id([text]))
    if not found.matches:
        print("no row has this id; looking for it as a text", flush=True)
        found, asked = sought.search(by_text([text])), "text"
    readers = sought.readers(found.matches)
    return Trace(
        asked="id" if asked == "id" else "text",
        sha256=sha256_text(text),
        versions=tuple(sought.versions(found.matches)),
        readers=tuple(readers),
        retrain=to_retrain(readers),
        searched=tuple(edition.md5 for edition in sought.editions),
        gaps=(*sought.gaps, *sought.unread(found)),
        unread=(*sought.unknown, *found.unread),
    )


def to_retrain(readers: Iterable[Reader]) -> tuple[str, ...]:
    """The recipes whose champion of today learned from it."""
    return tuple(sorted({r.recipe for r in readers if r.learned and any(c.champion for c in r.candidates)}))


def _held(edition: Edition, matches: Mapping[str, Sequence[Match]]) -> Iterator[Held]:
    for name, stored in edition.files.items():
        if rows := _matches(stored, matches):
            shown = tuple(Row(line=match.line, id=match.id, how=match.how) for match in rows[:SHOWN])
            yield Held(file=name, count=len(rows), rows=shown)


def _matches(stored: Stored, matches: Mapping[str, Sequence[Match]]) -> Sequence[Match]:
    return matches.get(stored.md5, ()) if stored.name.endswith(ROWS) else ()


def _reader(run: KeptRun, edition: Edition, matches: Mapping[str, Sequence[Match]], lineage: Lineage) -> Reader:
    read = []
    for name, stored in edition.files.items():
        rows, use = _matches(stored, matches), run.use_of(name)
        if rows and use:
            shapes = run.learns(use) and not (use in ("corpus", "replay") and all(match.heldout for match in rows))
            read.append(Reading(file=name, use=use, learned=shapes))
    return _bare(run, lineage).model_copy(update={"read": tuple(read)})


def _bare(run: KeptRun, lineage: Lineage) -> Reader:
    return Reader(
        run=run.name,
        recipe=run.recipe.name,
        version=run.dataset_md5,
        requested_by=run.requested_by,
        read=(),
        base=None,
        candidates=lineage.of(run),
    )
