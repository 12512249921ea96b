"""The commands `scriptorium export` and `scriptorium distil`: a trained model made smaller, and judged anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines import terminal
from pipelines.settings import read_settings

RecipeName = Annotated[str, typer.Argument(help="A file in pipelines/recipes, without .toml")]
Changes = Annotated[list[str], typer.Option("--set", help="key=value, for example finetune.epochs=3; may be repeated")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output")]


def export(
    recipe: RecipeName,
    changes: Changes = [],  # noqa: B006
    out: Annotated[Path | None, typer.Option(help="A new folder (default: HOME/exports/RECIPE)")] = None,
    student: Annotated[bool, typer.Option("--student", help="The student of [distil]; see scriptorium distil")] = False,
    as_json: AsJson = False,
) -> None:
    """Write what `train` made as ONNX files, fp32 and int8. Exit code 10 when a gate refuses one of them."""
    from pipelines.export import export as written

    with terminal.aside(as_json):
        found = written(recipe, terminal.parse_changes(changes), out, read_settings(), student=student)
    terminal.variants(found, as_json=as_json)
    _end(found["variants"])


def distil(
    recipe: RecipeName,
    changes: Changes = [],  # noqa: B006
    out: Annotated[Path | None, typer.Option(help="A new folder (default: HOME/distilled/RECIPE)")] = None,
    as_json: AsJson = False,
) -> None:
    """Train a smaller model on the answers of what `train` made. Exit code 10 when a gate refuses the smaller one."""
    from pipelines.distilled import distil as distilled

    with terminal.aside(as_json):
        found = distilled(recipe, terminal.parse_changes(changes), out, read_settings())
    terminal.variants(found, as_json=as_json)
    _end([variant for variant in found["variants"] if variant["variant"] == "student"])


def _end(variants: list[dict[str, Any]]) -> None:
    """Exit code 10 when a gate refuses one of them."""
    if any(gate["outcome"] != "pass" for variant in variants for gate in variant["gates"]):
        raise typer.Exit(10)
