"""A batch, checked as one: each file of the data by itself, then the data as it would be, for leaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipelines import forgotten, forgotten_rows
from pipelines.add_rows import write_added
from pipelines.artifact import write_json
from pipelines.batch import Batch, path_of
from pipelines.batch_bench import Bench, Checked
from pipelines.batch_leaks import Change, Readings, leaks
from pipelines.check_files import check_files
from pipelines.data_summary import Picture
from pipelines.data_version import md5_file
from pipelines.errors import Refused
from pipelines.findings import Finding, Place, Result, verdict_of
from pipelines.pins import pinned_limits
from pipelines.routing import form_of, is_note, labels_of, route, targets
from pipelines.sources import Source, sources
from pipelines.summaries import known_summary
from pipelines.version_history import current, history


def check_batch(batch: Batch, bench: Bench, judged_by: str) -> Checked:
    """Check a batch and keep what was found. Raises Refused for files whose place in the data is not clear."""
    bench.clear()
    bench.folder.mkdir(parents=True)
    base, events = current(bench.settings).md5, len(history(bench.settings))
    placed = _placed(batch, bench)
    names = {str(file.path): file.name for files in placed.values() for file in files}
    results = {target: _check(bench, target, files) for target, files in placed.items()}
    findings = [_named(finding, names) for result in results.values() for finding in result.findings]
    if verdict_of(findings) != "reject":
        findings += _together(bench, placed)
    found = Checked(
        batch=batch,
        judged_by=judged_by,
        base=base,
        events=events,
        result=_sum(list(results.values()), findings),
        targets={target: result.rows for target, result in results.items()},
        names=names,
    )
    write_json(bench.folder / "checked.json", found.model_dump(mode="json"))
    return found


def _placed(batch: Batch, bench: Bench) -> dict[str, list[Source]]:
    """The files of rows by the file of the data that they are for; an archive stands for its members."""
    found: dict[str, Source] = {}
    refused: list[Source] = []
    for number, file in enumerate(batch.files):
        if is_note(file.name):
            bench.say(f"{file.uri}: left out, for its name says that it is no data")
            continue
        path = path_of(file, bench.settings)
        for source in sources([path], bench.folder / "unpacked" / str(number), bench.recipe.validation, bench.say):
            inner = source.name.removeprefix(str(path))
            if source.path is None:
                refused.append(Source(file.uri, path))
            elif not is_note(inner):
                found[file.name + inner] = Source(file.uri + inner, source.path)
    bound = route(list(found), batch.source, bench.recipe, batch.into) if found else {}
    # An archive that could not be unpacked has no place; the check refuses it again, and says why.
    placed: dict[str, list[Source]] = {targets(bench.recipe)["train"]: refused} if refused else {}
    for name, source in found.items():
        placed.setdefault(bound[name], []).append(source)
    return placed


def _check(bench: Bench, target: str, files: Sequence[Source]) -> Result:
    # How many rows there must be is a matter of the whole, not of what came today.
    limits = pinned_limits(bench.recipe.validation, bench.settings).model_copy(update={"rows": 1})
    paths = [file.path for file in files if file.path]
    bench.say(f"checking {len(paths):,} files for {target}")
    out, pictures = bench.outputs(target), dict[str, Picture]()
    result = check_files(
        paths,
        form_of(target, bench.recipe),
        limits,
        labels=labels_of(target, bench.recipe),
        role="batch",
        pictures=pictures,
        out=out,
        say=bench.say,
    )
    for picture in pictures.values():
        write_json(bench.picture(target), picture.model_dump(mode="json"))
    if path := bench.present.get(target):
        before = known_summary(md5_file(path), lambda: path, bench.view(target), bench.settings, bench.say)
        write_json(bench.before(target), before.model_dump(mode="json"))
    return result if result.verdict == "reject" else _without_forgotten(result, target, bench)


def _without_forgotten(result: Result, target: str, bench: Bench) -> Result:
    """Leave out the rows that somebody asked to be forgotten: they do not come back by this door."""
    from pydantic_core import from_json

    path, acts = bench.rows(target), forgotten.read(bench.settings)
    with path.open("rb") as rows:
        gone = set(forgotten_rows.back(map(from_json, rows), target, acts)) if acts else set()
    if not gone:
        return result
    part = path.with_suffix(".part")
    with path.open("rb") as rows, part.open("wb") as kept:
        kept.writelines(row for position, row in enumerate(rows) if position not in gone)
    part.replace(path)
    finding = Finding(
        check="forgotten",
        severity="warn",
        rows=len(gone),
        share=round(len(gone) / result.rows, 6),
        limit=0,
        examples=(),
        message=f"{len(gone):,} of {result.rows:,} rows for {target} were forgotten, with a reason on record: left out",
        cure="remove them at their source",
    )
    findings = (*result.findings, finding)
    left = {"accepted": result.accepted - len(gone), "findings": findings, "verdict": verdict_of(findings)}
    return result.model_copy(update=left)


def _together(bench: Bench, placed: Mapping[str, Sequence[Source]]) -> list[Finding]:
    """What only the data as it would be can show: ids in conflict, and leaks."""
    after, conflicts = dict(bench.present), []
    for target in placed:
        path = bench.folder / "after" / target
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_added(path, bench.present.get(target), target, bench.rows(target), bench.recipe.data.on_conflict)
        except Refused as refused:
            conflicts.append(_conflict(str(refused).replace(str(bench.rows(target)), bench.source)))
        after[target] = path
    if conflicts:
        return conflicts
    readings = Readings(bench.recipe, bench.folder / "scratch", bench.say)
    return list(leaks(Change(readings, bench.present, after, placed)))


def _conflict(message: str) -> Finding:
    """Ids that the data have with other content, where the recipe does not let them be replaced."""
    return Finding(
        check="id_conflict",
        severity="reject",
        rows=1,
        share=0.0,
        limit=0,
        examples=(),
        message=message,
        cure='give these rows other ids, or let them replace: [data] on_conflict = "replace" in the recipe',
    )


def _named(finding: Finding, names: Mapping[str, str]) -> Finding:
    """A finding whose places are called what they are called at the source."""
    places = tuple(Place(file=names.get(p.file, p.file), line=p.line, field=p.field) for p in finding.examples)
    return finding.model_copy(update={"examples": places})


def _sum(results: Sequence[Result], findings: Sequence[Finding]) -> Result:
    """The batch as one: refused as one, too."""
    verdict = verdict_of(findings)
    refused = verdict == "reject"
    order = ("reject", "quarantine", "warn")
    return Result(
        verdict=verdict,
        rows=sum(result.rows for result in results),
        accepted=0 if refused else sum(result.accepted for result in results),
        quarantined=0 if refused else sum(result.quarantined for result in results),
        findings=tuple(sorted(findings, key=lambda finding: order.index(finding.severity))),
    )
