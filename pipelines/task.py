"""What one Airflow task runs: a cached step, or one of the decisions, which are never cached."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping

from pipelines.artifact_root import uri_of
from pipelines.errors import Refused, near_miss
from pipelines.identity import assume, identity_of
from pipelines.pins import pinned
from pipelines.recipe_file import load_recipe, overrides_from_form, taken_refresh
from pipelines.reviewers import require_enough, require_reviewers
from pipelines.run import freeze, new_run, read_run
from pipelines.settings import Settings
from pipelines.steps import STEPS, make, require_inputs

# Each takes the run's URI and its inputs' URIs, all of which it needs, and returns one URI.
DECISIONS = {
    "check_gates": ("pipelines.check_gates:check_gates", ("report",)),
    "register": ("pipelines.registry:register", ("dossier",)),
    "record_review": ("pipelines.review:record_review", ("candidate", "dossier")),
    "promote": ("pipelines.promote:promote", ("candidate", "review")),
    "search": ("pipelines.search:worked", ("dataset", "model", "worker")),
    "search_summary": ("pipelines.search:summary", ("dataset", "model")),
}


def run_task(name: str, run: str | None, inputs: Mapping[str, str], settings: Settings) -> str:
    """Run the task `name`, as whom it is the work of before MLflow, and return the URI of what it made."""
    assume(identity_of(name), settings)
    if name == "freeze":
        return freeze_from_form(inputs, settings)
    if name == "ingest":
        from pipelines.ingest_task import ingest_from_form

        return ingest_from_form(inputs, settings)
    if name == "reconcile":
        from pipelines.reconcile import as_task

        return as_task(settings)
    if name not in {*STEPS, *DECISIONS}:
        raise Refused(f"there is no step {name!r}; {near_miss(name, [*STEPS, *DECISIONS])}")
    if run is None:
        raise Refused(f"{name} needs a run, and got none: was freeze marked as success by hand? Clear it")
    if name in DECISIONS:
        decision, needed = DECISIONS[name]
        require_inputs(name, inputs, needed)
        module, function = decision.split(":")
        return str(getattr(importlib.import_module(module), function)(run, dict(inputs)))
    if name == "evaluate":
        inputs = {**inputs, **champion_input(read_run(run).recipe.name, settings)}
    return make(name, run, inputs)


def freeze_from_form(values: Mapping[str, str], settings: Settings) -> str:
    """Freeze the run that a trigger form describes: the recipe with what the form changes."""
    from pipelines.dataset import current_md5

    form = json.loads(values["form"])
    refresh = taken_refresh(form)
    path = settings.recipes / f"{values['recipe']}.toml"
    overrides = overrides_from_form(load_recipe(path), form)
    recipe = load_recipe(path, overrides)
    require_reviewers([recipe], settings)
    require_enough(recipe, values["requester"], settings)
    for key, value in overrides.items():
        print(f"{key} = {value} (from the form)")
    run = new_run(pinned(recipe, settings), values["run"], current_md5(), values["requester"], refresh=refresh)
    print(f"{run.run_id}: recipe {recipe.name}, data {run.dataset_md5}, code {run.code_revision[:12]}")
    return freeze(run, settings)


def champion_input(name: str, settings: Settings) -> dict[str, str]:
    """The champion's model as an input of evaluate; empty when nothing was ever promoted."""
    from pipelines.champion import champion

    holder = champion(name, settings)
    return {"champion": uri_of(holder.folder, settings)} if holder else {}
