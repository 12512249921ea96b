"""The commands about data: `scriptorium data ...`."""

from __future__ import annotations

from typing import Annotated

import typer

data = typer.Typer(name="data", help="The versioned data folder: build it, prove it.", no_args_is_help=True)


@data.command("build")
def data_build(
    record: Annotated[bool, typer.Option("--record", help="Let data.dvc name what comes out")] = False,
) -> None:
    """Build data/ from the installed packages; the same packages give the same bytes."""
    from pipelines import dataset

    dataset.build(record=record)


@data.command("verify")
def data_verify() -> None:
    """Prove that every byte of data/ is the one that data.dvc names."""
    from pipelines import dataset

    dataset.verify()
    print(f"data/ is what data.dvc names: {dataset.current_md5()}")
