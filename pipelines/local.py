"""A recipe on this machine, without Airflow: the same steps, in the same order, up to the gates."""

from __future__ import annotations

import sys
from typing import Any

from pipelines import flow
from pipelines.artifact import read_json
from pipelines.errors import ScriptoriumError
from pipelines.gates import judge
from pipelines.mirror import here
from pipelines.pins import pinned
from pipelines.policy_file import under_policy
from pipelines.recipe_file import PARAMETERS, SHORT, load_recipe, overrides_from_form, taken_refresh
from pipelines.run import Run, freeze, id_now, new_run
from pipelines.settings import Settings
from pipelines.task import champion_input
from pipelines.verdict import Verdict


def train(recipe: str, changes: dict[str, Any], settings: Settings) -> tuple[dict[str, Any], list[Verdict]]:
    """Run every step up to the report, and judge the recipe's gates; nothing is registered or promoted.

    Where the champion could not be asked for, the report that is returned does not say that there is none.
    """
    run = decide(recipe, changes, id_now("local"), settings)
    champion, known = champion_folder(run.recipe.name, settings)
    uri = flow.train(freeze(run, settings), run, champion)
    report = read_json(here(uri) / "report.json")
    if not known:
        del report["champion"]
    print(f"report: {here(uri)}/report.html")
    return report, judge(under_policy(run.recipe, settings).gates, report)


def plan(recipe: str, changes: dict[str, Any], settings: Settings) -> list[flow.Forecast]:
    """What `train` or `trigger` would run now, and what would be reused."""
    run = decide(recipe, changes, "plan", settings)
    champion, _ = champion_folder(run.recipe.name, settings)
    return flow.plan(run, champion, settings)


def decide(recipe: str, changes: dict[str, Any], run_id: str, settings: Settings) -> Run:
    """The run of a recipe file with changes; names of the trigger form stand for their recipe keys, and these for them.

    So that another base loses the recipe's digest whichever way it is named, unless the changes name one as well.
    """
    from pipelines.dataset import current_md5

    path = settings.recipes / f"{recipe}.toml"
    refresh = taken_refresh(changes)
    named = {SHORT.get(key, key): value for key, value in changes.items()}
    form = {name: value for name, value in named.items() if name in PARAMETERS}
    others = {key: value for key, value in named.items() if key not in form}
    overrides = overrides_from_form(load_recipe(path), form) | others
    recipe_now = pinned(load_recipe(path, overrides), settings)
    return new_run(recipe_now, run_id, current_md5(), "local", refresh=refresh)


def champion_folder(name: str, settings: Settings) -> tuple[str | None, bool]:
    """The champion's model, or none before the first release; and whether that is known, said aloud when it is not."""
    try:
        return champion_input(name, settings).get("champion"), True
    except ScriptoriumError as error:
        print(f"the champion is not known, and nothing is compared with it: {error}", file=sys.stderr)
        return None, False
