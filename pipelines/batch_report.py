"""The report of a batch, kept beside what came of it, and the summaries that the next batch is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipelines.artifact_root import uri_of
from pipelines.batch import Outcome
from pipelines.batch_bench import Bench, Checked
from pipelines.data_page import Part, data_page
from pipelines.data_summary import Picture, Summary
from pipelines.page import write_page
from pipelines.shared import share
from pipelines.summaries import keep_summary
from pipelines.version_history import named


def keep_report(bench: Bench, checked: Checked, outcome: Outcome) -> str:
    """Write the page of a batch to `ingest/<recipe>/<batch>.html` at the artifact root; its URI."""
    parts = [_part(target, bench, checked, outcome) for target in checked.targets if bench.picture(target).exists()]
    for part in parts:
        _keep_summary(part, bench, outcome)
    files = len(checked.batch.files)
    title = f"{files:,} file{'s' if files > 1 else ''} for {bench.recipe.name}"
    page = data_page(title, f"{outcome.at[:16].replace('T', ' ')} UTC, {bench.source}", checked.result, parts)
    path = Path(bench.settings.artifacts) / "ingest" / bench.recipe.name / f"{outcome.id}.html"
    write_page(path, page)
    share(path, bench.settings)
    return uri_of(path, bench.settings)


def _part(target: str, bench: Bench, checked: Checked, outcome: Outcome) -> Part:
    picture = _named(Picture.model_validate_json(bench.picture(target).read_bytes()), checked.names)
    before = bench.before(target)
    return Part(
        name=target,
        picture=picture,
        before=Summary.model_validate_json(before.read_bytes()) if before.exists() else None,
        earlier=f"those of version {checked.base[:12]}" if before.exists() else "This is the first of it in the data.",
        change=outcome.changes.get(target),
    )


def _keep_summary(part: Part, bench: Bench, outcome: Outcome) -> None:
    """Where every row that may be used was new, the file's summary is that of before and of the batch together."""
    change, files = part.change, part.picture.files
    usable = sum(file.rows - file.wrong - file.aside for file in files)
    if not (outcome.md5 and change and change.added == usable and not (change.replaced or change.removed)):
        return
    if part.before is None and change.added != named(outcome.md5, bench.settings).files[part.name].rows:
        return
    now = part.before.plus(part.picture.summary) if part.before else part.picture.summary
    md5 = named(outcome.md5, bench.settings).files[part.name].md5
    keep_summary(md5, now, bench.view(part.name), bench.settings)


def _named(picture: Picture, names: Mapping[str, str]) -> Picture:
    """A picture whose files are called what they are called at the source."""
    files = tuple(file.model_copy(update={"name": names.get(file.name, file.name)}) for file in picture.files)
    return picture.model_copy(update={"files": files})
