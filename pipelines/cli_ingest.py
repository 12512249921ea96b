"""The command `scriptorium ingest`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pipelines import terminal, terminal_data
from pipelines.findings import EXIT_CODES
from pipelines.settings import read_settings


def ingest(
    source: Annotated[str, typer.Argument(help="A folder, a file, or s3://bucket/prefix/")],
    recipe: Annotated[str, typer.Option(help="The recipe that learns from it")],
    into: Annotated[
        str,
        typer.Option(
            help="corpus, replay, train, validation, test or an earlier domain, for all files; else their names say it"
        ),
    ] = "",
    commit: Annotated[bool, typer.Option("--commit", help="Commit data.dvc with git")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output")] = False,
) -> None:
    """Take what is new at a source, check it as one batch, and make it a version of the data, or refuse it.

    Exit code 0: accepted, or nothing new; 10: refused, nothing changed; 20: some rows are set aside, the rest is in.
    """
    from pipelines.announce import announce, ingested
    from pipelines.ingest import ingest as take_in
    from pipelines.recipe_file import load_recipe

    settings = read_settings()
    known = load_recipe(settings.recipes / f"{recipe}.toml")
    with terminal.aside(as_json):
        outcome = take_in(
            source,
            known,
            settings,
            into=into,
            commit=commit,
            announce=lambda done: announce(ingested(done), settings),
            say=lambda text: print(text, file=sys.stderr, flush=True),
        )
    terminal_data.ingested(outcome, as_json=as_json)
    if outcome and outcome.result:
        raise typer.Exit(EXIT_CODES[outcome.result.verdict])
