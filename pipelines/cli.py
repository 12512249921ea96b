"""The command line. Each command is a few lines: what it does lives in the module it calls."""

from __future__ import annotations

import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipelines import terminal
from pipelines.cli_champion import judge, reconcile, restore
from pipelines.cli_data import data
from pipelines.cli_dossier import dossier
from pipelines.cli_explain import explain
from pipelines.cli_gates import gates
from pipelines.cli_ingest import ingest
from pipelines.cli_labels import label_answers, label_queue
from pipelines.cli_look_up import look_up
from pipelines.cli_schema import schema
from pipelines.cli_search import search
from pipelines.cli_smaller import distil, export
from pipelines.cli_trace import quarantine
from pipelines.cli_validate import validate
from pipelines.errors import ScriptoriumError
from pipelines.failure import ended
from pipelines.json_lines import open_text, print_rows
from pipelines.settings import VARIABLES, home_folder, read_settings

app = typer.Typer(
    name="scriptorium",
    help="Keeps content-writing language models up to date.",
    epilog="Settings, all optional: " + "; ".join(f"{name}: {text}" for name, text in VARIABLES.items()),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(data)
app.add_typer(quarantine)
app.add_typer(dossier)
app.add_typer(gates)
app.command()(validate)
app.command()(ingest)
app.command()(schema)
app.command()(search)
app.command()(label_queue)
app.command()(label_answers)
app.command()(look_up)
app.command()(explain)
app.command()(export)
app.command()(distil)
app.command()(judge)
app.command()(restore)
app.command()(reconcile)

RecipeName = Annotated[str, typer.Argument(help="A file in pipelines/recipes, without .toml")]
Changes = Annotated[list[str], typer.Option("--set", help="key=value, for example finetune.epochs=3; may be repeated")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output")]


class Answer(StrEnum):
    """What a reviewer can say."""

    approve = "approve"
    reject = "reject"


@app.command()
def up() -> None:
    """Start Airflow and MLflow on this machine, and wait until they answer."""
    from pipelines import services

    settings = read_settings()
    services.up(settings)
    terminal.where_to_look(settings)


@app.command()
def down() -> None:
    """Stop what `up` started."""
    from pipelines import services

    services.down(read_settings())


@app.command()
def status(as_json: AsJson = False) -> None:
    """Say what runs, and whether it answers. Exit code 1 when something does not."""
    from pipelines import services

    rows = services.status(read_settings())
    terminal.status(rows, as_json=as_json)
    if not all(row.healthy for row in rows):
        raise typer.Exit(1)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check what is installed, what runs and what is wrong. Exit code 1 when something is wrong."""
    from pipelines.doctor import checks

    found = checks(read_settings())
    terminal.doctor(found, as_json=as_json)
    if not all(check.ok for check in found):
        raise typer.Exit(1)


@app.command()
def train(recipe: RecipeName, changes: Changes = [], as_json: AsJson = False) -> None:  # noqa: B006
    """Run a recipe's steps here, without Airflow, up to its gates. Exit code 10 when a gate refuses."""
    from pipelines import local

    with terminal.aside(as_json):
        report, verdicts = local.train(recipe, terminal.parse_changes(changes), read_settings())
    terminal.report(report, verdicts, as_json=as_json)
    if not verdicts or any(not verdict.passed for verdict in verdicts):
        raise typer.Exit(10)


@app.command()
def plan(recipe: RecipeName, changes: Changes = [], as_json: AsJson = False) -> None:  # noqa: B006
    """Say which steps would run, which are reused, and why."""
    from pipelines import local

    with terminal.aside(as_json):
        forecasts = local.plan(recipe, terminal.parse_changes(changes), read_settings())
    terminal.plan(forecasts, as_json=as_json)


@app.command()
def trigger(
    recipe: RecipeName,
    changes: Changes = [],  # noqa: B006
    follow: Annotated[bool, typer.Option(help="Show what the run does until it ends")] = True,
    as_json: AsJson = False,
) -> None:
    """Start a recipe's DAG in Airflow with the form's parameters, and follow it.

    Exit code 0: there is a champion; 10: a gate or the reviewer refused; 1: it broke.
    """
    from pipelines import follow as following

    with terminal.aside(as_json):
        started = following.trigger(recipe, terminal.parse_changes(changes), read_settings(), follow=follow)
    if as_json:
        terminal.document(asdict(started))
    raise typer.Exit(started.exit_code or 0)


@app.command()
def review(  # noqa: PLR0913, PLR0917 - one for each option
    recipe: RecipeName,
    approve: Annotated[bool, typer.Option("--approve", help="Make the candidate the champion")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="Leave the champion as it is")] = False,
    reason: Annotated[str, typer.Option(help="Why; it is recorded with your name")] = "",
    user: Annotated[str, typer.Option("--as", help="The reviewer's name in Airflow")] = "reviewer",
    as_json: AsJson = False,
) -> None:
    """Answer the open review of a recipe, or show it when neither --approve nor --reject is given."""
    from pipelines import follow as following

    if approve and reject:
        raise ScriptoriumError("a review is either approved or rejected: give --approve or --reject, not both")
    option = "Approve" if approve else "Reject" if reject else None
    with terminal.aside(as_json):
        answered = following.answer(recipe, option, reason, user, read_settings())
    if as_json:
        terminal.document(answered)


@app.command()
def predict(
    recipe: RecipeName,
    source: Annotated[str, typer.Option("--input", help="JSON lines of the task, or - for standard input")],
) -> None:
    """Put the champion to work: one JSON line in, one JSON line out."""
    from pipelines.predict import predict_lines

    name, lines = open_text(source)
    print_rows(predict_lines(recipe, lines, name, read_settings()))


@app.command()
def audit(recipe: RecipeName, as_json: AsJson = False) -> None:
    """Trace the champion to its data, recipe, code, scores and reviewer. Exit code 1 when something was touched."""
    from pipelines.audit import audit as trace

    found = trace(recipe, read_settings())
    terminal.audit(found, as_json=as_json)
    if found["problems"]:
        raise typer.Exit(1)


@app.command()
def demo(
    review: Annotated[Answer | None, typer.Option(help="Answer the review at once, as the reviewer")] = None,
) -> None:
    """Run the main job from the data to a champion, and leave the web pages up."""
    from pipelines.demo import demo as run_demo

    raise typer.Exit(run_demo(review.value if review else None, read_settings()))


@app.command(hidden=True)
def step(
    name: str,
    inputs: Annotated[list[str], typer.Argument(help="INPUT=URI ...")] = [],  # noqa: B006
    run: Annotated[str | None, typer.Option(help="The URI of the frozen run")] = None,
    uri_file: Annotated[Path | None, typer.Option(help="Where to write the URI of the output")] = None,
) -> None:
    """Run one step of a run, as an Airflow task does."""
    from pipelines.task import run_task

    uri = run_task(name, run, dict(text.partition("=")[::2] for text in inputs), read_settings())
    if uri_file:
        uri_file.write_text(uri, encoding="utf-8")
    else:
        print(uri)


def main() -> None:
    """Run a command; a problem becomes one message and an exit code, never a traceback."""
    try:
        app()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - whatever it is, it becomes one message
        message, code = ended(error, home_folder())
        sys.stdout.flush()
        print(message, file=sys.stderr, flush=True)
        sys.exit(code)


if __name__ == "__main__":
    main()
