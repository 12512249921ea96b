"""Who decides about a model, and by which gates: what its recipe file says today, whatever a frozen run says."""

from __future__ import annotations

from pipelines.artifact_root import uri_of
from pipelines.errors import Refused
from pipelines.policy_file import under_policy
from pipelines.recipe_file import recipe_named
from pipelines.run import Run, place_of, read_run
from pipelines.settings import Settings


def run_to_decide(uri: str, settings: Settings) -> Run:
    """The run frozen at `uri`, under the rules of today. Raises Refused for one that lies where no run is frozen."""
    run = read_run(uri)
    if uri != (place := uri_of(place_of(run, settings), settings)):
        raise Refused(f"{uri} is not where run {run.run_id} of {run.recipe.name} is frozen: {place}")
    return under_todays_rules(run, settings)


def under_todays_rules(run: Run, settings: Settings) -> Run:
    """The run with the gates and the review rules of its recipe file, and of the policy, as they stand now.

    A run freezes what is trained; on what conditions that may go out is not the run's to say. A gate that was raised
    and a reviewer who left count at once. Raises Refused when there is no such recipe any more.
    """
    today = recipe_named(run.recipe.name, settings)
    recipe = run.recipe.model_copy(update={"gates": today.gates, "review": today.review})
    return run.model_copy(update={"recipe": under_policy(recipe, settings)})
