"""The command `scriptorium validate`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from models.tasks import TASKS
from pipelines import terminal
from pipelines.data_summary import Picture
from pipelines.errors import Refused, near_miss
from pipelines.facts import View
from pipelines.findings import EXIT_CODES
from pipelines.formats import FORMATS
from pipelines.limits import Limits, Toxicity
from pipelines.pins import pinned_limits
from pipelines.settings import read_settings

Files = Annotated[list[Path], typer.Argument(help="JSONL, CSV (plain, .gz, .zst), Parquet, or an archive of these")]


def validate(  # noqa: PLR0913, PLR0917
    files: Files = [],  # noqa: B006
    task: Annotated[str, typer.Option(help="A task, or a format of rows")] = "",
    train: Annotated[list[Path], typer.Option(help="A training file; may be repeated")] = [],  # noqa: B006
    test: Annotated[list[Path], typer.Option(help="An evaluation file; may be repeated")] = [],  # noqa: B006
    labels: Annotated[str, typer.Option(help="The labels that rows may have: a,b,c")] = "",
    lang: Annotated[str, typer.Option(help="The language of every row, such as zh, whatever the rows say")] = "",
    toxicity: Annotated[
        str, typer.Option(help="A recipe whose champion labels toxic texts, or a classifier's folder")
    ] = "",
    toxic_label: Annotated[str, typer.Option(help="The label by which it calls them so")] = "toxic",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for accepted.jsonl, quarantined.jsonl and validation.json")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="A page about what came, to be opened in a browser")] = None,
    against: Annotated[
        list[Path],
        typer.Option(help="Earlier files, or one .summary.json, that the report compares with; may be repeated"),
    ] = [],  # noqa: B006
) -> None:
    """Check files of rows before anything learns from them.

    Exit code 0: accepted, perhaps with warnings; 10: refused; 20: some rows are set aside, the rest is accepted.
    """
    from pipelines.check_files import check_files
    from pipelines.validation_report import earlier, write_report

    if not (files or train or test):
        raise Refused("there is nothing to check: give files, or --train and --test")
    if against and not report:
        raise Refused("--against is for the report: add --report page.html")
    pictures: dict[str, Picture] | None = {} if report else None
    screen = Toxicity(model=toxicity, label=toxic_label) if toxicity else None
    form, limits = format_of(task), pinned_limits(Limits(toxicity=screen), read_settings())
    view = View(FORMATS[form], limits, lang or None, datetime.now(UTC))
    before = earlier([*files, *train], against, view, _say) if report else None
    result = check_files(
        files,
        form,
        limits,
        train=train,
        test=test,
        labels=_labels(labels),
        lang=lang or None,
        out=out,
        pictures=pictures,
        say=_say,
    )
    if report and before:
        write_report(report, result, pictures or {}, before)
    terminal.checked(result, as_json=as_json)
    raise typer.Exit(EXIT_CODES[result.verdict])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def format_of(task: str) -> str:
    """The format of rows that a task takes; a format's name stands for itself. Raises Refused."""
    if task in TASKS:
        return TASKS[task].format
    if task not in FORMATS:
        raise Refused(f"--task {task!r} is neither a task nor a format of rows; {near_miss(task, {*TASKS, *FORMATS})}")
    return task


def _labels(text: str) -> Sequence[str] | None:
    if not text:
        return None
    found = text.split(",")
    if "" in found:
        raise Refused(f"--labels {text[:80]!r} names an empty label; write a,b,c")
    return found
