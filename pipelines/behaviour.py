"""The step that asks a model what people wrote down as cases, as it will be asked when it is served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models.tasks import TASKS
from models.tasks.task import Row, Task
from pipelines.behaviour_files import cases_of
from pipelines.behaviour_report import by_case
from pipelines.examples import Load
from pipelines.score import write_predictions
from pipelines.steps import Work

ANSWERS = "behaviour.jsonl"


def behaviour(work: Work) -> None:
    """Answer the row and the variants of every case; write behaviour.jsonl, a case with its answers a line."""
    import torch

    torch.set_num_threads(work.settings.threads)
    recipe = work.run.recipe
    cases = cases_of(work.inputs["dataset"], recipe)
    asked = [row for case in cases for row in case.asked]
    print(f"answering {len(asked):,} texts of {len(cases):,} cases", flush=True)
    found = by_case(cases, answers(TASKS[recipe.task], work.inputs["model"] / "model", asked))
    told = [
        {"case": case.model_dump(mode="json", exclude_defaults=True), "answers": said}
        for case, said in zip(cases, found, strict=True)
    ]
    write_predictions(work.out / ANSWERS, told)


def answers(task: Task, folder: Path, rows: Sequence[Row], load: Load | None = None) -> list[Mapping[str, Any]]:
    """What a served model says to each row; of one label of several, the probabilities of all as well."""
    from models.serving import load as serve

    if task.answer != "label":
        return list(serve(folder, task.name, load)(list(rows)))
    from models.backbone import load_classifier
    from models.predict import classify
    from models.tasks.labels import answer_of

    found = classify(*(load or load_classifier)(folder), [task.read(row) for row in rows])
    return [
        answer_of(chances) | {"probabilities": {label: round(chance, 6) for label, chance in chances.items()}}
        for chances in found
    ]
