"""Forgetting rows: a version of the data without them, a record of what had known them, and what must be retrained.

The rows stay in the older versions, and these in the DVC remote: they are what makes a model's past provable.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Literal

from pipelines import forgotten
from pipelines.errors import Refused, ScriptoriumError
from pipelines.forget_choice import Choice, Copy, Wish, choose
from pipelines.forgotten import Forgotten, ForgottenRow
from pipelines.lineage import Told
from pipelines.remains import remains
from pipelines.row_search import digest_of, name_of
from pipelines.settings import Settings
from pipelines.trace import Reader, Sought, to_retrain
from pipelines.version_history import Change, current
from pipelines.version_swap import refuse_commit_outside_git
from pipelines.versions import Cause, Edit, new_version, who


class Answer(Told):
    """What came of it. `copies` were found and left where they are; `remains` says where the rows still lie.

    `retrain` are recipes whose champion learned from the rows; `waiting` candidates that did, and are not decided on.
    """

    state: Literal["forgotten", "forgotten before"]
    record: Forgotten
    copies: tuple[Copy, ...]
    retrain: tuple[str, ...]
    waiting: tuple[str, ...]
    remains: tuple[str, ...]


def forget(wish: Wish, settings: Settings) -> Answer:
    """Make a version without the rows current, and record it; rows that are gone and on record already change nothing.

    Raises Refused for an id that no version holds, naming near misses, and for one that stands for different rows.
    """
    if not wish.reason.strip():
        raise Refused("forgetting needs a reason; say why with --reason '...'")
    if wish.commit:
        refuse_commit_outside_git(settings)
    with forgotten.forgetting(settings):
        _finish(settings)
        sought = Sought(settings)
        acts = forgotten.read(settings)
        choice = choose(wish, sought, acts)
        learned = [reader for reader in sought.readers(choice.matches) if reader.learned]
        if choice.rows:
            act = _carry_out(_draft(wish, choice, sought, learned), settings, commit=wish.commit)
        else:
            act = forgotten.acts_about(wish.ids[-1], acts)[-1]
        return Answer(
            state="forgotten" if choice.rows else "forgotten before",
            record=act,
            copies=choice.copies,
            retrain=to_retrain(learned),
            waiting=tuple(f"{r.run} (dossier {c.dossier})" for r in learned for c in r.candidates if c.waits),
            remains=remains(act.versions, choice.matches, settings),
        )


def _draft(wish: Wish, choice: Choice, sought: Sought, learned: Sequence[Reader]) -> Forgotten:
    return Forgotten(
        rows=choice.rows,
        by=who(),
        reason=wish.reason.strip(),
        version=sought.current.md5,
        versions=tuple(version.md5 for version in sought.versions(choice.matches)),
        runs=tuple(reader.run for reader in learned),
        models=tuple(made.dossier for reader in learned for made in reader.candidates),
        retrain=to_retrain(learned),
        gaps=(*sought.gaps, *choice.gaps),
    )


def _carry_out(draft: Forgotten, settings: Settings, *, commit: bool) -> Forgotten:
    """Make the version, then the record. What fails before there is a version leaves nothing behind."""
    forgotten.decide(draft, settings)
    before = current(settings).md5
    files = sorted({file for row in draft.rows for file in row.files})
    cause = Cause(f"{len(draft.rows)} rows forgotten: {draft.reason}", draft.by)
    try:
        new_version({file: without(file, draft.rows) for file in files}, cause, settings, commit=commit)
    except ScriptoriumError:
        if current(settings).md5 != before:
            _record(draft, settings)
        forgotten.done(settings)
        raise
    return _record(draft, settings)


def _record(draft: Forgotten, settings: Settings) -> Forgotten:
    act = forgotten.add(draft.model_copy(update={"version": current(settings).md5}), settings)
    forgotten.done(settings)
    return act


def _finish(settings: Settings) -> None:
    """Forget what a killed process had decided to, unless it only lacked the end."""
    draft = forgotten.decided(settings)
    if draft is None:
        return
    print(f"finishing what was interrupted: {len(draft.rows)} rows to forget, asked by {draft.by}", flush=True)
    last = forgotten.read(settings)[-1:]
    if last and (last[0].rows, last[0].reason, last[0].versions) == (draft.rows, draft.reason, draft.versions):
        forgotten.done(settings)
    else:
        _carry_out(draft, settings, commit=False)


def without(file: str, rows: Sequence[ForgottenRow]) -> Edit:
    """The edit that takes rows out of a file: by their ids, and copies by their content."""
    mine = [row for row in rows if file in row.files]
    ids = {row.id for row in mine if not row.near}
    contents = {sha256 for row in mine if row.near for sha256 in row.sha256}

    def edit(old: Iterator[bytes]) -> Generator[bytes, None, Change]:
        removed = 0
        for line in old:
            if _is_one(line, ids, contents):
                removed += 1
            else:
                yield line
        return Change(removed=removed)

    return edit


def _is_one(line: bytes, ids: set[str | None], contents: set[str]) -> bool:
    from pydantic_core import from_json

    try:
        row = from_json(line)
    except ValueError:
        return False
    if not isinstance(row, dict):
        return False
    name = name_of(row)
    return (name is not None and name in ids) or (bool(contents) and digest_of(row) in contents)
