"""Which words the champion's answers rest on, for rows that somebody asks about."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from models.tasks import TASKS
from models.tasks.task import Row, Task
from pipelines.artifact import read_manifest
from pipelines.champion import champion, require_known
from pipelines.errors import Refused
from pipelines.explanations import EXPLAINERS, unexplained
from pipelines.settings import Settings


def explain_rows(recipe: str, rows: Callable[[Task], Iterable[Row]], settings: Settings) -> list[dict[str, Any]]:
    """What the champion answers to each row, and which words that rests on; `rows` gives those of a task.

    A row comes back once, and where several labels are said of it once for each, named by `about`. Raises Refused when
    there is no champion, and for one whose answers are not explained.
    """
    import torch

    require_known(recipe, settings)
    held = champion(recipe, settings)
    if held is None:
        raise Refused(f"{recipe} has no champion yet; make one with `scriptorium trigger {recipe}` and a review")
    torch.set_num_threads(settings.threads)
    task, model = TASKS[json.loads(read_manifest(held.folder).made_from["recipe.task"])], held.folder / "model"
    if why := unexplained(task):
        raise Refused(f"{recipe}: {why}")
    asked = list(rows(task))
    explain = EXPLAINERS[task.answer](task, model)
    return [{**row, **found} for row in asked for found in explain(row, None)]
