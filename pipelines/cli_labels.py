"""The commands `scriptorium label-queue` and `scriptorium label-answers`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines import terminal
from pipelines.errors import Refused, near_miss
from pipelines.settings import read_settings

RecipeName = Annotated[str, typer.Argument(help="A file in pipelines/recipes, without .toml, whose rows have a label")]
Form = Annotated[str, typer.Option("--format", help="jsonl, argilla or label-studio")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output")]


def label_queue(  # noqa: PLR0913, PLR0917
    recipe: RecipeName,
    pool: Annotated[Path, typer.Option(help="Rows without labels: JSON lines")],
    out: Annotated[Path, typer.Option(help="The file to write")],
    count: Annotated[int, typer.Option(help="Rows to have labelled", min=1)] = 100,
    form: Form = "jsonl",
    uncertainty: Annotated[str, typer.Option(help="entropy, or margin between the two likeliest labels")] = "entropy",
    seed: Annotated[int, typer.Option(help="The same seed draws the same rows", min=0)] = 7,
    as_json: AsJson = False,
) -> None:
    """Write the rows of a pool whose labels would teach the recipe's model most, for people to label."""
    from pipelines.label_queue import label_queue as queue

    _require(form, "--format", ("jsonl", "argilla", "label-studio"))
    _require(uncertainty, "--uncertainty", ("entropy", "margin"))
    with terminal.aside(as_json):
        found = queue(recipe, pool, out, read_settings(), count=count, form=form, uncertainty=uncertainty, seed=seed)
    if as_json:
        terminal.document(found)
        return
    unsure = found["uncertainty"]
    who = {"trained": "the model that was trained last", "champion": "the champion"}[found["model"]]
    told = f"{uncertainty} of {who} {max(unsure):.3f} to {min(unsure):.3f}"
    print(f"{found['file']}: {found['queued']:,} rows, {told}")
    _tell_left_out(found)
    if found["setup"]:
        print(f"the labelling interface to set up in Label Studio: {found['setup']}")


def label_answers(
    recipe: RecipeName,
    file: Annotated[Path, typer.Argument(help="What was exported, or filled in")],
    out: Annotated[Path, typer.Option(help="The rows to write, which `ingest` takes: a .jsonl file")],
    form: Form = "jsonl",
    as_json: AsJson = False,
) -> None:
    """Turn the labels that people gave into rows that `scriptorium ingest` takes."""
    from pipelines.label_queue import label_answers as answers

    _require(form, "--format", ("jsonl", "argilla", "label-studio"))
    with terminal.aside(as_json):
        found = answers(recipe, file, out, read_settings(), form)
    if as_json:
        terminal.document(found)
        return
    told = ", ".join(f"{label} {number}" for label, number in found["labels"].items())
    print(f"{found['file']}: {found['rows']:,} rows ({told})")
    _tell_left_out(found)


def _tell_left_out(found: dict[str, Any]) -> None:
    if found["left_out"]:
        print("left out: " + ", ".join(f"{number:,} {reason}" for reason, number in found["left_out"].items()))


def _require(value: str, option: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise Refused(f"{option} {value[:40]!r}: {near_miss(value, known)}")
