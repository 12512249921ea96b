"""The commands that see to the champion: which model is better, back to an earlier one, nobody's but the ledger's."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines import terminal
from pipelines.identity import assume
from pipelines.settings import read_settings

RecipeName = Annotated[str, typer.Argument(help="A file in pipelines/recipes, without .toml")]


def judge(
    recipe: RecipeName,
    user: Annotated[str, typer.Option("--as", help="The reviewer's name in Airflow")] = "reviewer",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output")] = False,
) -> None:
    """Judge the examples on which candidate and champion differ most, blind, before `review` decides."""
    from pipelines.judging import judge_in_terminal

    with terminal.aside(as_json):
        judged = judge_in_terminal(recipe, user, read_settings())
    if as_json:
        terminal.document(judged)


def restore(
    recipe: RecipeName,
    reason: Annotated[str, typer.Option(help="Why; it is recorded with your name")],
    to: Annotated[str | None, typer.Option(help="The version to go back to; default: the champion before")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output")] = False,
) -> None:
    """Make an earlier champion the champion again, after its bytes are proved and it has answered an example."""
    from pipelines import restore as going_back
    from pipelines.versions import who

    settings = read_settings()
    assume("promoter", settings)
    with terminal.aside(as_json):
        version = going_back.restore(recipe, to, who(), reason, settings)
    if as_json:
        terminal.document({"model": recipe, "champion": version})


def reconcile(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output")] = False,
) -> None:
    """Undo what no ledger explains in the registry: moved aliases, strange versions. Exit code 1 when there was any."""
    from pipelines import reconcile as registry_of_today

    settings = read_settings()
    assume("promoter", settings)
    with terminal.aside(as_json):
        told = registry_of_today.reconcile(settings)
    if as_json:
        terminal.document({"undone": told})
    else:
        print("\n".join(told) or "every registered model is as its ledger says")
    if told:
        raise typer.Exit(1)
