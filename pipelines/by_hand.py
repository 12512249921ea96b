"""Data that somebody put into the data folder by hand: checked for every recipe that reads them, then recorded."""

from __future__ import annotations

from pathlib import Path

from pipelines import dataset
from pipelines.augment_files import require_files
from pipelines.data_version import version_of
from pipelines.errors import Refused, TryAgain
from pipelines.forgotten_rows import refuse_back
from pipelines.recipe import Recipe
from pipelines.recipe_file import load_recipe
from pipelines.routing import targets
from pipelines.settings import Settings
from pipelines.validate import check_data, explain


def commit(reason: str, settings: Settings) -> str:
    """Check the data folder as a training would, store it in the DVC remote and make it the current version; its md5.

    Raises Refused, with places and cures, for data that a recipe which has all its files there could not learn from,
    and for rows that were forgotten; then nothing is recorded.
    """
    if not settings.data.is_dir():
        raise Refused(f"there is no folder {settings.data}; put the data there, or set SCRIPTORIUM_DATA")
    version = version_of(settings.data)
    refuse_back(version, settings)
    for recipe in readers(settings):
        print(f"checking the data of {recipe.name}", flush=True)
        require_files(settings.data, recipe.finetune.augment)
        found = check_data(settings.data, recipe.data, recipe.task, recipe.validation, recipe.finetune.auxiliary)
        if failed := [outcome for outcome in found["checks"] if not outcome["passed"]]:
            reasons = "\n".join(f"- {explain(outcome)}" for outcome in failed)
            raise Refused(f"nothing is recorded, for {recipe.name} cannot learn from {settings.data}:\n{reasons}")
    if version_of(settings.data).md5 != version.md5:
        raise TryAgain(f"{settings.data} was changed while it was checked; try again")
    return dataset.commit_data(reason)


def readers(settings: Settings) -> list[Recipe]:
    """The recipes of which every file is in the data folder; of the others it is said what is missing."""
    found, strangers = [], []
    for path in sorted(Path(settings.recipes).glob("*.toml")):
        recipe = load_recipe(path)
        missing = [file for file in targets(recipe).values() if not (settings.data / file).is_file()]
        if not missing:
            found.append(recipe)
        elif (settings.data / recipe.data.examples).is_dir():
            print(f"not checked for {recipe.name}: {missing[0]} is not there", flush=True)
        else:
            strangers.append(recipe.name)
    if strangers:
        print(f"not checked for {', '.join(strangers)}: there are no examples for them", flush=True)
    return found
