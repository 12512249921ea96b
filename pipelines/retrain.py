"""Starting the trainings of several recipes at once, in Airflow."""

from __future__ import annotations

from collections.abc import Iterable

from pipelines.errors import ScriptoriumError
from pipelines.follow import trigger
from pipelines.settings import Settings


def start(recipes: Iterable[str], settings: Settings) -> None:
    """Start each recipe's DAG as the engineer. Raises ScriptoriumError naming those that did not start, after all."""
    failed = []
    for recipe in recipes:
        try:
            trigger(recipe, {}, settings, follow=False)
        except ScriptoriumError as error:
            failed.append(f"{recipe}: {error}")
    if failed:
        raise ScriptoriumError(
            "the rows are forgotten, but trainings did not start; the same command with --trigger tries again\n"
            + "\n".join(failed)
        )
