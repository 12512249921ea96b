"""ANSWERS: how a task is trained, asked and compared, by the kind of answer it gives.

Each module has the same functions:
`training(work)`                          the model, its tokenizer, the plan and the validation of a fine-tuning; of
                                          `label` also `training(work, more)`, with rows beside the training rows
`finish(work)`                            what is laid beside the weights once they are written
`predictions(task, folder, rows, load)`   what the model of a folder answers, one prediction for each row; `load` reads
                                          a folder that is not as trainings leave it: its model and its tokenizer
`beside(work)`                            what `predictions` takes beside these, by name: what an answer is chosen from
`rivals(work)`                            the trivial answers, by name: functions of the training and the test rows
`mistakes(task, predictions)`             positions of the predictions, the worst first
`shown(task, row, ours, theirs)`          what a reader is shown of an example beside the row's inputs
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.tasks.task import Task
from pipelines.answers import click, label, labels, passage, text

ANSWERS: Mapping[str, Any] = {"click": click, "label": label, "labels": labels, "passage": passage, "text": text}


def kind_of(task: Task) -> Any:
    """The module of the kind of answer that a task gives."""
    return ANSWERS[task.answer]
