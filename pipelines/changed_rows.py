"""Test rows whose texts are changed as people and keyboards change them; the right answers stay."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from models.perturb import perturbed
from models.tasks.task import Row, Task
from pipelines.errors import Refused
from pipelines.examples import Rows, by_chance, examples

# Test rows that are asked again for each kind, and of those that are written.
ASKED, WRITTEN = 300, 100


def changed(task: Task, rows: Sequence[Row], kind: str) -> Rows:
    """The rows that are asked again, with their texts changed, in file order: 300 (100 of a task that writes).

    They are drawn by the hash of the id, among those that this change does not leave as they are.
    """
    found: dict[int, dict[str, object]] = {}
    for place in by_chance(rows):
        row = dict(rows[place])
        row |= {name: perturbed(kind, str(row[name]), f"{row['id']} {name}") for name in task.texts}
        if row != rows[place]:
            found[place] = row
        if len(found) == (WRITTEN if task.answer == "text" else ASKED):
            break
    return [found[place] for place in sorted(found)]


def require_changed(task: Task, path: Path, kinds: Sequence[str]) -> None:
    """Raise Refused for a kind of change that leaves every row of the file as it is."""
    rows = examples(task, path) if kinds else []
    for kind in kinds:
        if not changed(task, rows, kind):
            raise Refused(f"evaluate.robustness: {kind!r} changes no row of {path}; leave it out")
