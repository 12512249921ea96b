"""One DAG per recipe with a [search]: what stays the same is made once, then workers share the trials of one study."""

from contextlib import suppress

import pendulum
from airflow.sdk import DAG, dag, task

from dags.child import RETRIES, run_step
from dags.step import step
from pipelines.errors import Refused
from pipelines.recipe import Recipe
from pipelines.recipe_file import load_recipe
from pipelines.settings import read_settings


@task(task_id="search", **RETRIES)
def trials(run: str, dataset: str, model: str, worker: str) -> str:
    """Try settings until the study's budget is spent; a worker that is lost leaves its trial to the others."""
    return run_step("search", run, {"dataset": dataset, "model": model, "worker": worker})


def search(recipe: Recipe, workers: int) -> DAG:
    """Build `search__<recipe>`; only a person starts it."""

    @dag(
        dag_id=f"search__{recipe.name}",
        description=f"Better settings for {recipe.name}",
        schedule=None,
        start_date=pendulum.datetime(2026, 11, 1, tz="UTC"),
        catchup=False,
        max_active_runs=1,
        tags=["search", recipe.task],
        doc_md="It ends with the best settings in the log of `search_summary`, a page with plots, and MLflow's runs.",
    )
    def pipeline() -> None:
        # The recipe as it stands: a run of its own, whatever the training DAG calls its runs.
        who = "{{ dag_run.triggering_user_name or 'schedule' }}"
        run = step("freeze")(recipe=recipe.name, run="search__{{ run_id }}", form="{}", requester=who)
        dataset = step("dataset")(run)
        validation = step("validate")(run, dataset=dataset)
        base = step("base")(run, dataset=dataset, validation=validation)
        model = step("pretrain")(run, dataset=dataset, base=base)
        tried = trials.partial(run=run, dataset=dataset, model=model).expand(
            worker=[str(number + 1) for number in range(workers)]
        )
        tried >> step("search_summary")(run, dataset=dataset, model=model)

    return pipeline()


for path in sorted(read_settings().recipes.glob("*.toml")):
    # dags/recipes.py reports a refused one.
    with suppress(Refused):
        if (found := load_recipe(path)).search:
            globals()[f"search__{path.stem}"] = search(found, found.search.workers)
