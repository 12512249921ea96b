"""Checking files of rows: what is wrong with them, where, what to do, and what may be used."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pipelines.containers import Unreadable
from pipelines.data_summary import Picture
from pipelines.facts import View
from pipelines.findings import Finding, Result, verdict_of
from pipelines.formats import FORMATS
from pipelines.judgement import Judged, findings_of, judged, pair_subject, set_subject
from pipelines.limits import Limits
from pipelines.outputs import Outputs
from pipelines.reading import read_blocks
from pipelines.reading_progress import ReadingProgress
from pipelines.sketch import Sketch
from pipelines.sources import Source, sources
from pipelines.tally import Role, Tally

Say = Callable[[str], None]


def check_files(  # noqa: PLR0913
    files: Sequence[Path],
    form: str,
    limits: Limits,
    *,
    train: Sequence[Path] = (),
    test: Sequence[Path] = (),
    labels: Sequence[str] | None = None,
    role: Role = "part",
    lang: str | None = None,
    out: Path | None = None,
    now: datetime | None = None,
    pictures: dict[str, Picture] | None = None,
    say: Say,
) -> Result:
    """Check files, and test files against training files; all hold rows of one format.

    Writes accepted.jsonl, quarantined.jsonl and validation.json below `out`; after a refusal, only the last.
    `lang` stands for the language of every row; timestamps may not be after `now` (default: the time of the call).
    `role` is what the files are for. A dictionary of `pictures` is given one of each set, for a report. Raises Refused
    for a file that is missing.
    """
    view = View(FORMATS[form], limits, lang, now or datetime.now(UTC))
    outputs = Outputs(out) if out else None
    given: tuple[tuple[Role, Sequence[Path]], ...] = ((role, files), ("training", train), ("evaluation", test))
    sets = {name: paths for name, paths in given if paths}
    with tempfile.TemporaryDirectory(prefix=".scriptorium-", dir=out) as scratch:
        tallies = {}
        for name, paths in sets.items():
            folder = Path(scratch) / name
            folder.mkdir()
            found = sources(paths, folder, limits, say)
            tallies[name] = Tally(view, [source.name for source in found], folder, labels, name)
            sketch = Sketch(view) if pictures is not None else None
            read_set(tallies[name], found, say, outputs, sketch)
            if sketch is not None and pictures is not None:
                pictures[name] = sketch.picture(tallies[name].tolerated)
        subjects = [set_subject(name, tally) for name, tally in tallies.items()]
        if "training" in tallies and "evaluation" in tallies:
            subjects.append(pair_subject("evaluation in training", tallies["evaluation"], tallies["training"]))
    result = result_of(list(tallies.values()), [judged(subject) for subject in subjects])
    if outputs:
        outputs.finish(result, {name: tally.tolerated for name, tally in tallies.items()})
    return result


def read_set(
    tally: Tally, found: Sequence[Source], say: Say, outputs: Outputs | None = None, sketch: Sketch | None = None
) -> None:
    """Read the files of a set into its tally, and what may be used of them into the outputs."""
    keep = outputs is not None or sketch is not None
    progress = ReadingProgress([source.path for source in found if source.path], say)
    for number, source in enumerate(found):
        if source.path is None:
            assert source.refused is not None
            _refuse(tally, number, source.refused, sketch)
            continue
        try:
            for block in read_blocks(source.path, tally.view.form, tally.view.limits, keep=keep):
                frame = tally.add(number, block)
                if sketch:
                    sketch.add(source.name, block, frame)
                if outputs:
                    outputs.add(tally.role, source.name, frame)
                progress.show(source.name, block.read, source.path.stat().st_size, tally.rows)
        except Unreadable as fault:
            _refuse(tally, number, fault, sketch)
        progress.finish(source.path.stat().st_size)


def _refuse(tally: Tally, number: int, fault: Unreadable, sketch: Sketch | None) -> None:
    tally.refuse(number, fault)
    if sketch:
        sketch.refuse(tally.files[number], fault.message)


def result_of(tallies: Sequence[Tally], found: Sequence[Judged]) -> Result:
    """The verdict, the numbers and the findings, worst first."""
    findings = sorted((finding for each in found for finding in findings_of(each)), key=_worst_first)
    verdict = verdict_of(findings)
    rows = sum(tally.rows for tally in tallies)
    aside = 0 if verdict == "reject" else sum(tally.set_aside for tally in tallies)
    accepted = 0 if verdict == "reject" else rows - aside
    return Result(verdict=verdict, rows=rows, accepted=accepted, quarantined=aside, findings=tuple(findings))


def _worst_first(finding: Finding) -> int:
    return ("reject", "quarantine", "warn").index(finding.severity)
