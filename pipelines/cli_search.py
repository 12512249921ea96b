"""The command `scriptorium search`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from pipelines import terminal
from pipelines.settings import read_settings


def search(
    recipe: Annotated[str, typer.Argument(help="A file in pipelines/recipes, without .toml, that has a [search]")],
    trials: Annotated[int | None, typer.Option(help="Trials in all, those done before included", min=1)] = None,
    minutes: Annotated[float | None, typer.Option(help="Minutes of training in all, those before included")] = None,
    changes: Annotated[list[str], typer.Option("--set", help="key=value, as train takes it; may be repeated")] = [],  # noqa: B006
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output")] = False,
) -> None:
    """Look for better settings in the space of a recipe's [search]; the same command goes on where it was ended.

    Exit code 10: no trial came to its end.
    """
    from pipelines.search import require_best
    from pipelines.search import search as look

    budget = {"search.trials": trials, "search.minutes": minutes}
    given = {key: value for key, value in budget.items() if value is not None}
    with terminal.aside(as_json):
        found = look(recipe, terminal.parse_changes(changes), given, read_settings())
    if as_json:
        terminal.document(found)
    else:
        show(found, changes)
    require_best(found)


def show(found: dict[str, Any], changes: Sequence[str]) -> None:
    """The trials as a table, the best of them marked, and what to do with it; `changes` held for every trial."""
    from rich.table import Table

    from pipelines.search_outcome import as_options, as_toml

    best = found["best"]
    names = [key.removeprefix("finetune.") for key in found["space"]]
    table = Table("", "trial", found["metric"], *names, "seconds", "", box=None)
    for trial in found["trials"]:
        value = "" if trial["value"] is None else f"{trial['value']:.4f}"
        drawn = [_short(trial["settings"].get(key)) for key in found["space"]]
        mark = "*" if best and trial["number"] == best["number"] else ""
        table.add_row(mark, str(trial["number"]), value, *drawn, f"{trial['seconds'] or 0:.0f}", trial["state"])
    terminal.console.print(table)
    if best:
        print(
            f"\nthe best settings (trial {best['number']}; {found['metric']} {best['value']:.4f} on validation rows):\n"
        )
        print(as_toml(best["settings"]))
        kept = "".join(f"--set {shlex.quote(change)} " for change in changes)
        print(f"\nscriptorium train {found['recipe']} {kept}{as_options(best['settings'])}\n")
    if found["importance"]:
        told = ", ".join(f"{key} {share:.0%}" for key, share in found["importance"].items())
        print(f"what mattered (share of the differences that it explains): {told}")
    print(f"plots: {found['page']}")
    if found["mlflow"]:
        print(f"MLflow: {found['mlflow']}")


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
