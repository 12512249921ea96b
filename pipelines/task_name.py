"""The name of a task in a recipe."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from models.tasks import TASKS
from pipelines.errors import near_miss


def _known(task: str) -> str:
    if task not in TASKS:
        raise ValueError(f"there is no such task; {near_miss(task, TASKS)}")
    return task


TaskName = Annotated[str, AfterValidator(_known)]
