"""Which rows are meant by some ids, and which others say the same."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from pipelines.errors import Refused, ScriptoriumError
from pipelines.forgotten import Forgotten, ForgottenRow, acts_about
from pipelines.lineage import Told
from pipelines.row_search import Found, How, Match, Row, by_id, by_text, name_of
from pipelines.trace import Sought

NEAREST, LIKE = 3, 0.6  # ids named when one is unknown, and how alike they must be
Matches = Mapping[str, Sequence[Match]]


class Copy(Told):
    """A row of the current version that says what a row to forget says, or nearly."""

    file: str
    line: int
    id: str | None
    how: How
    sha256: str
    said: str | None = None


@dataclass(frozen=True)
class Wish:
    """What somebody wants forgotten and why.

    `files` of the data are those to look in, all if there are none; with `near`, copies go too; with `commit`, git
    commits data.dvc.
    """

    ids: tuple[str, ...]
    reason: str
    files: tuple[str, ...] = ()
    near: bool = False
    commit: bool = False


@dataclass(frozen=True)
class Choice:
    """What is to be forgotten (`rows`: none when all is gone and on record), every match, and copies found.

    `copies` are those that stay where they are.
    """

    rows: tuple[ForgottenRow, ...]
    matches: Matches
    copies: tuple[Copy, ...]
    gaps: tuple[str, ...]


def choose(wish: Wish, sought: Sought, acts: Sequence[Forgotten]) -> Choice:
    """Find the rows in every version, and copies of them in the current one.

    Raises Refused for an id that is unknown, or that stands for different rows in different files.
    """
    found = sought.search(by_id(wish.ids), texts=True)
    _refuse_unread(found, sought)
    matches = _within(found.matches, wish.files, sought) if wish.files else found.matches
    _refuse_unknown(wish, matches, acts, sought)
    if not wish.files:
        _refuse_ambiguous(matches, sought)
    copies = _copies(matches, sought)
    known = [row for name in dict.fromkeys(wish.ids) if (row := _row(name, matches, sought, acts))]
    gaps = tuple(sought.unread(found))
    if not wish.near:
        return Choice(tuple(known), matches, copies, gaps)
    taken = [ForgottenRow(id=c.id, files=(c.file,), sha256=(c.sha256,), said=_known(c.said), near=True) for c in copies]
    return Choice((*known, *taken), _with_copies(matches, copies, sought), (), gaps)


def _with_copies(matches: Matches, copies: Sequence[Copy], sought: Sought) -> Matches:
    """The matches, and beside them the copies in whichever version."""
    if not copies:
        return matches
    found = sought.search(by_id(copy.id for copy in copies if copy.id)).matches
    theirs = _within(found, {copy.file for copy in copies}, sought)
    return {md5: [*matches.get(md5, ()), *theirs.get(md5, ())] for md5 in {**matches, **theirs}}


def _places(matches: Matches, sought: Sought) -> Iterator[tuple[str, Match]]:
    """Each match beside each name that its file has in any version."""
    named = {(stored.md5, name) for edition in sought.editions for name, stored in edition.files.items()}
    return ((name, match) for md5, name in sorted(named) for match in matches.get(md5, ()))


def _within(matches: Matches, files: Collection[str], sought: Sought) -> Matches:
    """The matches in files that have one of these names in some version."""
    named = {edition.files[name].md5 for edition in sought.editions for name in files if name in edition.files}
    return {md5: found for md5, found in matches.items() if md5 in named}


def _row(name: str, matches: Matches, sought: Sought, acts: Sequence[Forgotten]) -> ForgottenRow | None:
    """All that is known of a row; None when it is gone from the current version, and that is on record."""
    places = [(file, match) for file, match in _places(matches, sought) if match.id == name]
    now = {match.id for stored in sought.current.files.values() for match in matches.get(stored.md5, ())}
    if name not in now and acts_about(name, acts):
        return None
    files, contents = ({file for file, _ in places}, {match.sha256 for _, match in places})
    said = _known(*(match.said for _, match in places))
    return ForgottenRow(id=name, files=tuple(sorted(files)), sha256=tuple(sorted(contents)), said=said)


def _known(*said: str | None) -> tuple[str, ...]:
    return tuple(sorted({one for one in said if one}))


def _copies(matches: Matches, sought: Sought) -> tuple[Copy, ...]:
    texts = {text for found in matches.values() for match in found for text in match.texts}
    if not texts:
        return ()
    near = sought.search(by_text(texts), [sought.current]).matches
    return tuple(
        Copy(file=name, line=match.line, id=match.id, how=match.how, sha256=match.sha256, said=match.said)
        for name, stored in sought.current.files.items()
        for match in near.get(stored.md5, ())
        if (match.line, match.id) not in {(own.line, own.id) for own in matches.get(stored.md5, ())}
    )


def _refuse_unread(found: Found, sought: Sought) -> None:
    """A file of the current version that cannot be read may hold the rows too."""
    for name, stored in sought.current.files.items():
        if why := found.unread.get(stored.md5):
            raise ScriptoriumError(f"{name} of the current version cannot be searched, so nothing was forgotten: {why}")


def _refuse_unknown(wish: Wish, matches: Matches, acts: Sequence[Forgotten], sought: Sought) -> None:
    there = {match.id for found in matches.values() for match in found}
    unknown = [name for name in dict.fromkeys(wish.ids) if name not in there and not acts_about(name, acts)]
    if not unknown:
        return
    where = f" in {', '.join(wish.files)}" if wish.files else ""
    near = _alike(unknown, sought)
    told = [f"{name[:80]!r} ({_meant(near[name])})" for name in unknown]
    raise Refused(f"no version holds a row with the id {', '.join(told)}{where}; nothing was forgotten")


def _meant(names: Sequence[str]) -> str:
    return f"did you mean {' or '.join(repr(name[:80]) for name in names)}?" if names else "none is like it"


def _alike(words: Sequence[str], sought: Sought) -> dict[str, list[str]]:
    """For each word the ids of the current version that are most like it, the nearest first."""
    heaps: dict[str, list[tuple[float, str]]] = {word: [] for word in words}
    compared = {word: SequenceMatcher(None, "", word) for word in words}

    def look(rows: Sequence[Row]) -> Iterable[tuple[int, How]]:
        for name in filter(None, map(name_of, rows)):
            for word, heap in heaps.items():
                _keep(heap, compared[word], name)
        return ()

    sought.search(look, [sought.current])
    return {word: [name for _, name in sorted(heap, reverse=True)] for word, heap in heaps.items()}


def _keep(heap: list[tuple[float, str]], compared: SequenceMatcher[str], name: str) -> None:
    """Keep a name among the three most alike; the cheap upper bounds of likeness come first."""
    least = heap[0][0] if len(heap) == NEAREST else LIKE
    compared.set_seq1(name)
    if compared.real_quick_ratio() < least or compared.quick_ratio() < least:
        return
    entry = (compared.ratio(), name)
    if entry[0] >= least and entry not in heap:
        (heapq.heappushpop if len(heap) == NEAREST else heapq.heappush)(heap, entry)


def _refuse_ambiguous(matches: Matches, sought: Sought) -> None:
    """An id that never had the same content in two files stands for two rows: which is meant is not guessed."""
    contents: dict[str, dict[str, set[str]]] = {}
    for file, match in _places(matches, sought):
        contents.setdefault(str(match.id), {}).setdefault(file, set()).add(match.sha256)
    for name, files in contents.items():
        if len(files) > 1 and not set.intersection(*files.values()):
            raise Refused(
                f"{name[:80]!r} stands for different rows in {', '.join(files)}; say with --file which to forget "
                "(it may be repeated)"
            )
