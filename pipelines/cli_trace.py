"""The commands about rows: `scriptorium data trace|forget` and `scriptorium quarantine ...`."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from pipelines import terminal, terminal_trace
from pipelines.cli_data import AsJson, data
from pipelines.errors import Refused, ScriptoriumError
from pipelines.settings import read_settings

Why = Annotated[str, typer.Option(help="Why; it is recorded with your name")]


@data.command("trace")
def data_trace(
    what: Annotated[str, typer.Argument(metavar="ID-OR-TEXT", help="A row's id, or a text in quotes")],
    as_json: AsJson = False,
) -> None:
    """Say which versions hold a row or a text, which runs read those, and which models came of the runs.

    Exit code 1 when a part of the data could not be searched.
    """
    from pipelines.trace import trace

    settings = read_settings()
    with terminal.aside(as_json):
        found = trace(what, settings)
    terminal_trace.traced(found, as_json=as_json)
    if found.unread:
        raise ScriptoriumError(f"{len(found.unread)} files or versions could not be searched; the answer may lack them")


@data.command("forget")
def data_forget(  # noqa: PLR0913, PLR0917
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="The ids of the rows")],
    reason: Why,
    file: Annotated[list[str], typer.Option(help="A file of data/ to look in; may be repeated")] = [],  # noqa: B006
    near: Annotated[bool, typer.Option("--near", help="Forget copies and near copies of the rows too")] = False,
    commit: Annotated[bool, typer.Option("--commit", help="Commit data.dvc with git")] = False,
    trigger: Annotated[bool, typer.Option("--trigger", help="Start the trainings that are needed, in Airflow")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a version of the data without some rows current, and say which champions must be retrained.

    What is recorded are ids and hashes, never what the rows said. Older versions keep the rows.
    """
    from pipelines.forget import forget
    from pipelines.forget_choice import Wish
    from pipelines.retrain import start

    settings = read_settings()
    wish = Wish(tuple(ids), reason, tuple(file), near=near, commit=commit)
    with terminal.aside(as_json):
        answer = forget(wish, settings)
    terminal_trace.forgot(answer, as_json=as_json)
    with terminal.aside(as_json):
        start(answer.retrain if trigger else (), settings)


quarantine = typer.Typer(
    name="quarantine", help="Rows that validation set aside: look at them, release them.", no_args_is_help=True
)
BatchName = Annotated[str, typer.Argument(help="A batch, as `quarantine list` names it")]


@quarantine.command("list")
def quarantine_list(as_json: AsJson = False) -> None:
    """Every batch: where it came from, how many rows were set aside, how many released."""
    from pipelines.quarantine import batches
    from pipelines.release import released, releases

    settings = read_settings()
    made = releases(settings)
    found = [(batch, len(released(batch.batch, made))) for batch in batches(settings)]
    terminal_trace.batches(found, as_json=as_json)


@quarantine.command("show")
def quarantine_show(batch: BatchName, as_json: AsJson = False) -> None:
    """The rows of a batch: where they stood and what is wrong; no text of a row that holds personal data."""
    from pipelines.quarantine import glimpses, read_batch
    from pipelines.release import released, releases

    settings = read_settings()
    found = read_batch(batch, settings)
    gone = released(batch, releases(settings))
    terminal_trace.rows(glimpses(found, settings), gone, as_json=as_json)


@quarantine.command("release")
def quarantine_release(
    batch: BatchName,
    reason: Why,
    rows: Annotated[str, typer.Option(help="Numbers of rows as `quarantine show` gives them: 1,4,7")] = "",
    every: Annotated[bool, typer.Option("--all", help="All rows of the batch")] = False,
    personal: Annotated[
        bool, typer.Option("--with-personal-data", help="Also rows with personal data; this is recorded")
    ] = False,
) -> None:
    """Add rows of a batch to the data, as a new version, which is announced; who did it and why is recorded."""
    from pipelines.announce import announce
    from pipelines.release import Decision, release

    if bool(rows) == every:
        raise Refused("say which rows to release: --rows 1,4,7 or --all")
    numbers = None if every else _numbers(rows)
    settings = read_settings()
    decision = Decision(batch, numbers, reason, personal)
    done = release(decision, settings, announce=lambda found: announce(found, settings))
    if done is None:
        print("nothing to do: these rows were released before")
    else:
        print(f"released {len(done.rows)} rows into {done.target}; the version with them is {done.version}")


def _numbers(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"[1-9]\d{0,11}(,[1-9]\d{0,11})*", text, re.ASCII):
        raise Refused(f"--rows {text[:80]!r}: write numbers with commas, for example 1,4,7")
    return tuple(map(int, text.split(",")))
