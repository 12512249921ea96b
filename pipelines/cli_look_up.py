"""The command `scriptorium look-up`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.json_lines import open_text, print_rows
from pipelines.settings import read_settings


def look_up(
    finder: Annotated[str, typer.Argument(help="A recipe of the task retrieval, whose champion is asked")],
    source: Annotated[str, typer.Option("--input", help="Dialogs as JSON lines, or - for standard input")],
    out: Annotated[Path | None, typer.Option(help="The file to write; without it, standard output")] = None,
    top: Annotated[int, typer.Option(help="Answers for each question; a finder gives its best five", min=1, max=5)] = 3,
    replace: Annotated[bool, typer.Option("--replace", help="Also for dialogs that have a context")] = False,
) -> None:
    """Put what a finder knows beside each dialog, as `context`: to train an answerer with, or to ask it."""
    from pipelines.look_up import look_up_lines
    from pipelines.new_file import new_file

    name, lines = open_text(source)
    rows = look_up_lines(finder, lines, name, read_settings(), top=top, replace=replace)
    if out is None:
        print_rows(rows)
        return
    with new_file(out) as file:
        print_rows(rows, file)
