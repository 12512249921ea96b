"""What lies at a source becomes a version of the data, or is refused as a whole with the reasons; and is announced.

Taken once, checked as one batch, added as one version that the DVC remote is proved to hold. One batch at a time; a
killed try is gone on with, wherever it was.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

from pipelines import forgotten, quarantine, storage
from pipelines.add_rows import adding
from pipelines.artifact import canonical, sha256_text
from pipelines.batch import Batch, Outcome, State, keep, next_batch, now, outcomes
from pipelines.batch_bench import Bench, Checked, begun
from pipelines.batch_check import check_batch
from pipelines.batch_report import keep_report
from pipelines.data_version import DataVersion, folder_md5, write_version
from pipelines.errors import Refused
from pipelines.landing import take
from pipelines.locks import lock
from pipelines.recipe import Recipe
from pipelines.routing import targets
from pipelines.settings import Settings
from pipelines.step_key import code_hash
from pipelines.version_history import Change, Record, current, history, version_file
from pipelines.version_swap import finish
from pipelines.versions import Cause, Edit, new_version, who

Say = Callable[[str], None]
Announce = Callable[[Outcome], bool]  # whether it was heard


class _Moved(Exception):
    """The data became another version after the batch was checked against it."""


def ingest(  # noqa: PLR0913
    source: str,
    recipe: Recipe,
    settings: Settings,
    *,
    into: str = "",
    commit: bool = False,
    announce: Announce = lambda _: False,
    say: Say = print,
) -> Outcome | None:
    """Take what is new at a source, check it, and add it to the data as one version; None when there is nothing new.

    Its state is "accepted", or "refused" when nothing was changed. `announce` is called at least once for every new
    version. Raises Refused for a source that is none, or files whose place in the data is not clear.
    """
    bench = Bench(storage.place(source), recipe, settings, say)
    take(bench.source, settings, say=say)
    with lock(settings.locks / "ingest", "another ingest is under way"):
        finish(settings)
        _begin(settings)
        done = _finish(bench, announce)
        batch = next_batch(bench.source, recipe.name, into, settings)
        if batch:
            return _ingest(batch, bench, announce, commit=commit)
        bench.clear()  # of what a kill in the midst of it left
        return done


def _finish(bench: Bench, announce: Announce) -> Outcome | None:
    """Settle a batch whose rows were added by a try that was killed before it could."""
    checked = begun(bench)
    record = _added(checked, bench.settings) if checked else None
    if not (checked and record):
        return None
    bench.say(f"finishing batch {checked.batch.id}, which was interrupted")
    return _settle(bench, checked, record, announce)


def _begin(settings: Settings) -> None:
    """Where there is no data yet, its first version is empty."""
    if history(settings) or version_file(settings).exists():
        return
    if settings.data.is_dir() and any(settings.data.iterdir()):
        raise Refused(f"{settings.data} holds files of no version; record them first: `scriptorium data commit`")
    settings.data.mkdir(parents=True, exist_ok=True)
    write_version(DataVersion(md5=folder_md5({}), size=0, files={}), settings.data, version_file(settings))


def _ingest(batch: Batch, bench: Bench, announce: Announce, *, commit: bool) -> Outcome:
    bench.say(f"batch {batch.id}: {len(batch.files):,} files for {bench.recipe.name}")
    while True:
        judged_by = _judged_by(bench)
        if known := _refused_before(batch, judged_by, bench):
            bench.say(f"nothing has changed since this batch was refused, at {known.at[:16]}")
            return known
        checked = begun(bench)
        if checked is None or (checked.batch, checked.judged_by) != (batch, judged_by):
            checked = check_batch(batch, bench, judged_by)
        if checked.result.verdict == "reject":
            return _refuse(bench, checked)
        try:
            return _settle(bench, checked, _add(bench, checked, commit=commit), announce)
        except _Moved:
            bench.say("the data has another version by now; checking the batch against that")


def _judged_by(bench: Bench) -> str:
    """All that a verdict depends on besides the rows; the day, too, for a timestamp may be in the future only today."""
    recipe = bench.recipe.model_dump(mode="json")
    parts = [recipe[part] for part in ("task", "data", "validation")]
    code = code_hash("pipelines.batch_check")
    known = [current(bench.settings).md5, len(forgotten.read(bench.settings))]
    return sha256_text(canonical([*parts, code, *known, now()[:10]]))


def _refused_before(batch: Batch, judged_by: str, bench: Bench) -> Outcome | None:
    known = [o for o in outcomes(bench.recipe.name, bench.settings) if o.id == batch.id]
    return next((o for o in known if o.state == "refused" and o.judged_by == judged_by), None)


def _refuse(bench: Bench, checked: Checked) -> Outcome:
    return _close(bench, checked, _outcome(checked, "refused"))


def _add(bench: Bench, checked: Checked, *, commit: bool) -> Record | None:
    """Add the rows that are not set aside to the version that they were checked against."""
    edits = {target: _guarded(bench, target, checked.base) for target in checked.targets}
    files = len(checked.batch.files)
    cause = Cause(
        reason=f"{files:,} file{'s' if files > 1 else ''} came for {bench.recipe.name}",
        by=who(),
        sources=(bench.source, _mark(checked.batch)),
        verdict=checked.result.verdict,
    )
    return new_version(edits, cause, bench.settings, commit=commit)


def _guarded(bench: Bench, target: str, base: str) -> Edit:
    """The edit that adds rows, only to `base`: it begins when no other change can."""

    def edit(old: Iterator[bytes]) -> Generator[bytes, None, Change]:
        if current(bench.settings).md5 != base:
            raise _Moved
        return adding(target, bench.rows(target), bench.recipe.data.on_conflict)(old)

    return edit


def _mark(batch: Batch) -> str:
    return f"batch:{batch.id}"


def _added(checked: Checked, settings: Settings) -> Record | None:
    """The event by which the rows of a batch were added, if they were since it was checked."""
    later = history(settings)[checked.events :]
    return next((event for event in later if _mark(checked.batch) in event.sources), None)


def _settle(bench: Bench, checked: Checked, record: Record | None, announce: Announce) -> Outcome:
    """Keep what was set aside, announce the new version, and write down that the batch is done; in this order."""
    md5 = record.md5 if record else current(bench.settings).md5
    aside = tuple(_keep_aside(bench, checked, target, md5) for target in checked.targets if bench.has_aside(target))
    changes = record.changes if record else {}
    found = _outcome(checked, "accepted").model_copy(update={"md5": md5, "changes": changes, "quarantine": aside})
    if changes:
        found = found.model_copy(update={"announced": announce(found)})
    return _close(bench, checked, found)


def _close(bench: Bench, checked: Checked, found: Outcome) -> Outcome:
    """Keep the report and what came of the batch; what was half-done is no longer needed."""
    done = found.model_copy(update={"report": keep_report(bench, checked, found)})
    keep(done, bench.settings)
    bench.clear()
    return done


def _keep_aside(bench: Bench, checked: Checked, target: str, md5: str) -> str:
    """Keep the rows set aside for a file of the data, for a person to decide about; the name they are kept by."""
    role = next(role for role, file in targets(bench.recipe).items() if file == target)
    name = f"{checked.batch.id}-{role}"
    kept = quarantine.Batch(
        batch=name,
        source=bench.source,
        recipe=bench.recipe.name,
        target=target,
        md5=md5,
        verdict=checked.result.verdict,
    )
    quarantine.keep(bench.aside_by_uri(target, checked.names), kept, bench.settings)
    return name


def _outcome(checked: Checked, state: State) -> Outcome:
    return Outcome(
        id=checked.batch.id,
        batch=checked.batch,
        state=state,
        at=now(),
        judged_by=checked.judged_by,
        result=checked.result,
        targets=checked.targets,
    )
