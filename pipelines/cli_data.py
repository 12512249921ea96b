"""The commands about data: `scriptorium data ...`."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines import terminal

data = typer.Typer(name="data", help="The versioned data folder: build it, prove it.", no_args_is_help=True)


@data.command("build")
def data_build(
    record: Annotated[bool, typer.Option("--record", help="Let data.dvc name what comes out")] = False,
) -> None:
    """Build data/ from the installed packages; the same packages give the same bytes."""
    from pipelines import dataset

    dataset.build(record=record)


@data.command("verify")
def data_verify(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output")] = False,
) -> None:
    """Prove that every byte of data/ is the one that data.dvc names."""
    from pipelines import dataset

    with terminal.aside(as_json):
        dataset.verify()
    md5 = dataset.current_md5()
    if as_json:
        terminal.document({"md5": md5})
    else:
        print(f"data/ is what data.dvc names: {md5}")
