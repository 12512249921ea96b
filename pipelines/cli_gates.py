"""`scriptorium gates`: what the gates of today say of the models of yesterday."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines import terminal
from pipelines.settings import read_settings

if TYPE_CHECKING:
    from pipelines.replay import Replayed

gates = typer.Typer(name="gates", help="Today's gates over past reports.", no_args_is_help=True)


@gates.callback()
def of_gates() -> None:
    """Keep `replay` a command of its own, for others may join it."""


@gates.command()
def replay(
    recipe: Annotated[str, typer.Argument(help="A file in pipelines/recipes, without .toml")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output")] = False,
) -> None:
    """Judge every past report of a recipe by today's gates: what would be otherwise, and which gates ever stop one."""
    from pipelines import replay as past

    found = past.replay(recipe, read_settings())
    stopped = past.blocked(found)
    if as_json:
        terminal.document({"dossiers": [_told(one) for one in found], "gates": _counts(stopped)})
    else:
        _show(found, stopped)


def _show(found: Sequence[Replayed], stopped: Mapping[str, tuple[int, int]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table("dossier", "what became of it", "then", "today", "", box=None)
    for one in found:
        then, now = (f"{sum(v.passed for v in said)} of {len(said)}" for said in (one.then, one.now))
        stops = "; ".join(f"{v.metric} [{v.outcome}]" for v in one.now if not v.passed)
        note = one.problem or ("[bold]otherwise today[/]: " if one.changed else "") + escape(stops)
        table.add_row(one.dossier[:12], one.fate, then, "-" if one.problem else now, note)
    terminal.console.print(table)
    for gate, (count, of) in stopped.items():
        told = f"stops {count} of {of}" if count else f"never stopped one of {of}"
        terminal.console.print(f"  {gate}: {told}", markup=False, soft_wrap=True)


def _told(one: Replayed) -> dict[str, Any]:
    return {
        "dossier": one.dossier, "fate": one.fate, "changed": one.changed, "problem": one.problem,
        "then": [v.model_dump(mode="json") for v in one.then], "now": [v.model_dump(mode="json") for v in one.now],
    }  # fmt: skip


def _counts(stopped: Mapping[str, tuple[int, int]]) -> list[dict[str, Any]]:
    return [{"gate": gate, "stops": count, "of": of} for gate, (count, of) in stopped.items()]
