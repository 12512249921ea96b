"""One DAG per recipe: what was dropped is taken, checked as one batch, made a version of the data, and announced."""

from contextlib import suppress
from typing import Any

import pendulum
from airflow.sdk import DAG, Param, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from dags.child import RETRIES, run_step
from dags.schedule import DATASET, dropped, when
from pipelines.announce import announced
from pipelines.errors import Refused
from pipelines.recipe import Recipe
from pipelines.recipe_file import load_recipe
from pipelines.routing import targets
from pipelines.settings import read_settings


def ingest(recipe: Recipe) -> DAG:
    """Build `ingest__<recipe>`. Its second task is skipped when no row was new."""

    @dag(
        dag_id=f"ingest__{recipe.name}",
        description=f"New data for {recipe.name}",
        schedule=when(recipe.ingest.cron, *dropped(recipe)),
        start_date=pendulum.datetime(2026, 11, 1, tz="UTC"),
        catchup=False,
        max_active_runs=1,
        params=form(recipe),
        tags=["ingest", recipe.task],
        doc_md="It ends with a new version of the data, with nothing new, or with the reason why what came is refused.",
    )
    def pipeline() -> None:
        announce(take_in(recipe.name, "{{ params.source or '' }}", "{{ params.into or '' }}"))

    return pipeline()


@task(task_id="ingest", **RETRIES)
def take_in(recipe: str, source: str, into: str) -> str:
    """Take, check and add; the outcome's URI."""
    return run_step("ingest", None, {"recipe": recipe, "source": source, "into": into})


@task(outlets=[DATASET], **RETRIES)
def announce(outcome: str, *, outlet_events: Any) -> None:
    """Let Airflow record the new version as an event of the dataset, for the DAGs that wait for it."""
    facts = announced(outcome)
    if facts is None:
        raise AirflowSkipException("no row was new")
    outlet_events[DATASET].extra = facts


def form(recipe: Recipe) -> dict[str, Param]:
    """Where to look, and where it belongs."""
    return {
        "source": Param(
            recipe.ingest.source,
            type=["null", "string"],
            title="Source",
            description="A folder on the workers, or s3://bucket/prefix/",
            section="Data",
        ),
        "into": Param(
            "",
            enum=["", *targets(recipe)],
            title="Into",
            description="Where all of it belongs; empty: the names of its folders and files say it.",
            section="Data",
        ),
    }


for path in sorted(read_settings().recipes.glob("*.toml")):
    # dags/recipes.py reports a refused one, which must not take the DAGs of the others with it.
    with suppress(Refused):
        globals()[f"ingest__{path.stem}"] = ingest(load_recipe(path))
