"""A label queue in the formats of the tools that people label in, and their answers read back.

`write` makes what the tool imports, `answers` reads what it exports: for each row its id and the labels that it was
given, one for each person. Argilla: what `dataset.records.from_json` and `to_json` read and write. Label Studio: its
tasks with predictions, and its JSON export.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import quoteattr

from models.tasks.task import Task
from pipelines.rows import parse

Row = Mapping[str, Any]
# A row of the queue, and every label that it got.
Answer = tuple[dict[str, Any], list[str]]
QUESTION = "label"
# What stands beside a queued row is what the model says: a pool has no columns of these names.
SAID = ("prediction", "probability", "uncertainty")


@dataclass(frozen=True)
class Queued:
    """A row that waits for its label, what the model says of it, and how unsure it is."""

    row: Row
    prediction: str
    probability: float
    uncertainty: float


@dataclass(frozen=True)
class Format:
    """How a queue is written, and answers are read; `setup` is what the tool must be told once."""

    write: Callable[[Task, Sequence[Queued]], str]
    read: Callable[[Task, str], Iterator[Answer]]
    setup: Callable[[Task, Sequence[str]], str] | None = None


def _lines(task: Task, queue: Sequence[Queued]) -> str:
    """A row a line, its label null until somebody writes it in."""
    rows = (
        {**q.row, task.target: None, "prediction": q.prediction, "probability": q.probability,
         "uncertainty": q.uncertainty}
        for q in queue
    )  # fmt: skip
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _from_lines(task: Task, text: str) -> Iterator[Answer]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        row = parse(line.encode())
        if isinstance(row, str) or task.target not in row:
            raise ValueError(f"line {number}: {row if isinstance(row, str) else f'there is no {task.target!r}'}")
        label = row[task.target]
        kept = {name: value for name, value in row.items() if name not in (*SAID, task.target)}
        yield kept, [] if label in (None, "") else [label]


def _argilla(task: Task, queue: Sequence[Queued]) -> str:
    records: list[dict[str, Any]] = [
        {
            "id": q.row["id"],
            "fields": {name: q.row[name] for name in task.texts},
            # What is no text goes through the tool as it is, and comes back with the answer.
            "metadata": {**_others(task, q.row), "uncertainty": q.uncertainty},
            "suggestions": {QUESTION: {"value": q.prediction, "score": q.probability, "agent": "scriptorium"}},
            "responses": {},
            "vectors": {},
        }
        for q in queue
    ]
    return json.dumps(records, ensure_ascii=False, indent=1) + "\n"


def _from_argilla(task: Task, text: str) -> Iterator[Answer]:
    for record in json.loads(text):
        given = (record.get("responses") or {}).get(QUESTION) or []
        labels = [r["value"] for r in given if r.get("status", "submitted") in (None, "submitted")]
        about = {name: value for name, value in record["metadata"].items() if name != "uncertainty"}
        yield {"id": record["id"], **{name: record["fields"][name] for name in task.texts}, **about}, labels


def _label_studio(task: Task, queue: Sequence[Queued]) -> str:
    tasks = [
        {
            "data": dict(q.row) | {"uncertainty": q.uncertainty},
            "predictions": [
                {
                    "model_version": "scriptorium",
                    "score": q.probability,
                    "result": [
                        {
                            "from_name": QUESTION,
                            "to_name": task.texts[0],
                            "type": "choices",
                            "value": {"choices": [q.prediction]},
                        }
                    ],
                }
            ],
        }
        for q in queue
    ]
    return json.dumps(tasks, ensure_ascii=False, indent=1) + "\n"


def _from_label_studio(task: Task, text: str) -> Iterator[Answer]:  # noqa: ARG001 - all formats are read alike
    for item in json.loads(text):
        given = [a for a in item.get("annotations", []) if not a.get("was_cancelled")]
        results = (result for annotation in given for result in annotation["result"])
        labels = [r["value"]["choices"][0] for r in results if r["from_name"] == QUESTION and r["value"]["choices"]]
        yield {name: value for name, value in item["data"].items() if name != "uncertainty"}, labels


def _labeling_config(task: Task, labels: Sequence[str]) -> str:
    """Label Studio's labelling interface: the texts, and one choice of the labels."""
    texts = "\n".join(f'  <Text name="{name}" value="${name}"/>' for name in task.texts)
    choices = "\n".join(f"    <Choice value={quoteattr(label)}/>" for label in labels)
    head = f'  <Choices name="{QUESTION}" toName="{task.texts[0]}" choice="single" required="true">'
    return f"<View>\n{texts}\n{head}\n{choices}\n  </Choices>\n</View>\n"


def _others(task: Task, row: Row) -> dict[str, Any]:
    """Of what is no text, that which Argilla's metadata can hold (docs/few-labels.md says so)."""
    return {
        name: value
        for name, value in row.items()
        if name not in (*task.texts, "id") and isinstance(value, str | int | float)
    }


LABEL_FORMATS: dict[str, Format] = {
    "jsonl": Format(_lines, _from_lines),
    "argilla": Format(_argilla, _from_argilla),
    "label-studio": Format(_label_studio, _from_label_studio, _labeling_config),
}
