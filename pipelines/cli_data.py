"""The commands about data: `scriptorium data ...`."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines import terminal, terminal_data
from pipelines.errors import Refused, ScriptoriumError
from pipelines.settings import read_settings

data = typer.Typer(
    name="data", help="The versioned data: build it, prove it, look at its versions, go back.", no_args_is_help=True
)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output")]
Version = Annotated[str, typer.Argument(help="A version's md5, or its first 6 or more digits")]


@data.command("build")
def data_build(
    record: Annotated[bool, typer.Option("--record", help="Let data.dvc name what comes out")] = False,
) -> None:
    """Build data/ from the installed packages; the same packages give the same bytes."""
    from pipelines import dataset

    dataset.build(record=record)


@data.command("verify")
def data_verify(
    remote: Annotated[bool, typer.Option("--remote", help="Hash all that the DVC remote holds, instead")] = False,
    heal: Annotated[bool, typer.Option("--heal", help="Replace what is missing or damaged by a whole copy")] = False,
    version: Annotated[str, typer.Option(help="Only this version; otherwise every recorded one")] = "",
    as_json: AsJson = False,
) -> None:
    """Prove that every byte of data/ is the one that its version names. Exit code 10 when something is wrong."""
    if remote:
        _verify_remote(version, heal=heal, as_json=as_json)
        return
    if heal or version:
        raise ScriptoriumError("--heal and --version go with --remote; data/ itself is put right by `data pin`")
    from pipelines import dataset

    with terminal.aside(as_json):
        dataset.verify()
    md5 = dataset.current_md5()
    if as_json:
        terminal.document({"md5": md5})
    else:
        print(f"data/ is what data.dvc names: {md5}")


def _verify_remote(version: str, *, heal: bool, as_json: bool) -> None:
    from pipelines.verify_remote import stored_versions, verify_remote
    from pipelines.version_history import matching

    settings = read_settings()
    with terminal.aside(as_json):
        records = stored_versions(settings)
        if version:
            wanted = matching(version, [record.md5 for record in records])
            records = [record for record in records if record.md5 == wanted]
        problems = []
        for problem in verify_remote(records, settings, heal=heal):
            problems.append(problem)
            terminal_data.problem(problem)
    terminal_data.remote([record.md5 for record in records], problems, as_json=as_json)
    if left := [problem for problem in problems if problem.source is None]:
        raise Refused(f"{len(left)} of the objects in the DVC remote are missing or damaged, and not healed")


@data.command("list")
def data_list(as_json: AsJson = False) -> None:
    """Every version that was ever current, newest first: when, how many rows, what changed, by whom and why."""
    from pipelines.version_history import current, history

    settings = read_settings()
    terminal_data.events(history(settings), current(settings).md5, as_json=as_json)


@data.command("show")
def data_show(version: Version, as_json: AsJson = False) -> None:
    """One version: its files and rows, what it was made from, and each time it became current."""
    from pipelines.version_history import history, resolve

    settings = read_settings()
    md5 = resolve(version, settings)
    terminal_data.version([event for event in history(settings) if event.md5 == md5], md5, as_json=as_json)


@data.command("diff")
def data_diff(before: Version, after: Version, as_json: AsJson = False) -> None:
    """What differs between two versions: files, rows by their ids, shifts of labels and lengths."""
    from pipelines.version_diff import diff
    from pipelines.version_history import resolve

    settings = read_settings()
    with terminal.aside(as_json):
        found = diff(resolve(before, settings), resolve(after, settings), settings)
    terminal_data.difference(found, as_json=as_json)


@data.command("pin")
def data_pin(
    version: Version,
    reason: Annotated[str, typer.Option(help="Why; it is recorded with your name")] = "pinned",
    commit: Annotated[bool, typer.Option("--commit", help="Commit data.dvc with git")] = False,
) -> None:
    """Make a version current again: data.dvc names it, and data/ holds it."""
    from pipelines.versions import Cause, pin, who

    event = pin(version, Cause(reason, who()), read_settings(), commit=commit)
    print(f"current: {event.md5} ({len(event.files)} files, {event.rows:,} rows)")
