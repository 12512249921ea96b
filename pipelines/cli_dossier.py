"""`scriptorium dossier`: the evidence for one decision, to read and to prove."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from pipelines import terminal
from pipelines.settings import read_settings

dossier = typer.Typer(name="dossier", help="The evidence for one decision: read it, prove it.", no_args_is_help=True)
Asked = Annotated[str, typer.Argument(help="Its seal, the first 8 digits or more, or a recipe: its champion's")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output")]


@dossier.command()
def show(asked: Asked, as_json: AsJson = False) -> None:
    """What a reviewer had before them; with --json the sealed document itself, byte for byte."""
    from rich.markdown import Markdown

    from pipelines import evidence
    from pipelines.packet import packet

    settings = read_settings()
    found = evidence.find(asked, settings)
    if as_json:
        print(found.text, end="")
    else:
        terminal.console.print(Markdown(packet(found, settings)))


@dossier.command()
def card(
    asked: Asked,
    lang: Annotated[
        Literal["en", "zh"] | None, typer.Option(help="One language; left out: both, as registered")
    ] = None,
) -> None:
    """The model card, in Hugging Face's Markdown: what the model is for, its scores and its limits, how to load it."""
    from pipelines import evidence
    from pipelines.model_card import LANGUAGES, model_card

    print(model_card(evidence.find(asked, read_settings()), (lang,) if lang else LANGUAGES), end="")


@dossier.command()
def verify(asked: Asked, as_json: AsJson = False) -> None:
    """Prove what a dossier says: its seal, every byte of its artifacts, its verdicts. Exit code 1 when one is wrong."""
    from pipelines import evidence

    found = evidence.find(asked, read_settings())
    done = []
    for check in evidence.checks(found):
        done.append(check)
        if not as_json:
            mark = "[red]wrong[/]" if check.problem else "[green]proved[/]"
            terminal.console.print(f"{mark}  {check.what}", end="  " if check.problem else "\n")
            if check.problem:
                terminal.console.print(check.problem, markup=False, soft_wrap=True)
    wrong = {check.what: check.problem for check in done if check.problem}
    if as_json:
        terminal.document({"dossier": found.sha256, "proved": [c.what for c in done if not c.problem], "wrong": wrong})
    else:
        told = (
            "all of it is as it was sealed" if not wrong else f"{len(wrong)} of {len(done)} are not as they were sealed"
        )
        terminal.console.print(f"dossier {found.sha256[:12]} of {found.name}: {told}")
    if wrong:
        raise typer.Exit(1)
