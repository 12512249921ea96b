"""The command `scriptorium explain`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from pipelines import terminal
from pipelines.json_lines import open_text
from pipelines.settings import read_settings


def explain(
    recipe: Annotated[str, typer.Argument(help="A file in pipelines/recipes, without .toml")],
    source: Annotated[str, typer.Option("--input", help="JSON lines of the task, or - for standard input")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output")] = False,
) -> None:
    """Say which words the champion's answers rest on, for each row of a file."""
    from pipelines.explained_rows import explain_rows
    from pipelines.predict import read_rows

    name, lines = open_text(source)
    with terminal.aside(as_json):
        found = explain_rows(recipe, lambda task: read_rows(lines, name, task), read_settings())
    if as_json:
        terminal.document(found)
    else:
        for row in found:
            show(row)


def show(row: dict[str, Any]) -> None:
    """The texts, words for the answer underlined and words against it struck through; the strongest in numbers."""
    from rich.markup import escape
    from rich.table import Table

    from pipelines.explanations import SCORES, strengths, strongest

    for parts, levels in zip(row["texts"], strengths(row), strict=True):
        terminal.console.print(_marked(parts, levels), soft_wrap=True)
    terminal.console.print(_said(row), markup=False, style="bold", soft_wrap=True)
    words = strongest(row)
    names = [name for name in SCORES if words and name in words[0]]
    table = Table("", "strongest", *(TITLES[name] for name in names), box=None)
    for part in words:
        side = "for" if part[names[0]] >= 0 else "against"
        table.add_row(side, escape(part["text"]), *(f"{part[name]:+.3f}" for name in names))
    terminal.console.print(table)
    terminal.console.print()


def _said(row: dict[str, Any]) -> str:
    if "cosine" in row:
        return f"-> the passage below the question, at a cosine of {row['cosine']:.3f}"
    if "about" in row:
        said = "said" if row["about"] in row["prediction"] else "not said; no label is likelier"
        return f"-> {row['about']} ({row['probability']:.3f}, {said})"
    sure = f" ({row['probability']:.3f})" if "probability" in row else ""
    return f"-> {row['prediction']}{sure}"


TITLES = {"gradients": "gradients", "occlusion": "when masked", "hidden": "bits more when hidden"}


def _marked(parts: Sequence[dict[str, Any]], levels: Sequence[int]) -> Any:
    from rich.text import Text

    text = Text()
    for part, level in zip(parts, levels, strict=True):
        weight = "bold " if abs(level) == 3 else ""
        style = f"{weight}underline blue" if level > 0 else f"{weight}strike yellow" if level < 0 else ""
        text.append(part["text"], style=style)
    return text
