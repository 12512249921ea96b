"""What the ingest task of Airflow runs."""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.batch import Outcome, outcomes, uri_of
from pipelines.errors import NothingToDo, Refused
from pipelines.ingest import ingest
from pipelines.recipe_file import load_recipe
from pipelines.settings import Settings


def ingest_from_form(values: Mapping[str, str], settings: Settings) -> str:
    """Ingest as a trigger form says, and return the URI of the outcome, which the next task announces.

    A try that was killed after all was done finds nothing new, and returns what is not announced yet. Raises Refused
    with the findings of a refused batch, NothingToDo when there is nothing to announce.
    """
    recipe = load_recipe(settings.recipes / f"{values['recipe']}.toml")
    source = values.get("source") or recipe.ingest.source
    if not source:
        raise Refused(f"nobody said where to look: fill in the source, or set it in the [ingest] of {recipe.name}.toml")
    found = ingest(source, recipe, settings, into=values.get("into", ""))
    if found and found.state == "refused":
        raise Refused(f"nothing was changed, for batch {found.id} is refused\n{reasons(found)}")
    if found:
        print(reasons(found), flush=True)
    open_ = [o for o in outcomes(recipe.name, settings) if o.changes and not o.announced]
    if not open_:
        raise NothingToDo(f"nothing new at {source}")
    return uri_of(open_[-1], settings)


def reasons(outcome: Outcome) -> str:
    """The findings, one a line, with the first places and the cure."""
    lines = []
    for finding in outcome.result.findings if outcome.result else ():
        where = "; ".join(f"{p.file}, line {p.line}" if p.line else p.file for p in finding.examples[:3])
        lines.append(f"- {finding.severity} {finding.check}: {finding.message} ({where}); {finding.cure}")
    return "\n".join(lines)
