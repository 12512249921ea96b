"""What a report says of the cases of behaviour: how many passed, of each kind and matter, and which did not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models.tasks.task import Task
from pipelines.behaviour_cases import Case, wrong
from pipelines.behaviour_recipe import KINDS
from pipelines.rows import read_rows

SHOWN = 10  # failed cases of each kind

Answers = Sequence[Mapping[str, Any]]
Answered = Sequence[tuple[Case, Answers]]


def by_case(cases: Sequence[Case], answers: Answers) -> list[Answers]:
    """The answers to each case: to its row, and then to its variants."""
    left = iter(answers)
    return [[next(left) for _ in case.asked] for case in cases]


def read_answered(path: Path) -> Answered:
    """Each case with its answers, as the step `behaviour` left them."""
    return [(Case.model_validate(row["case"]), row["answers"]) for row in read_rows(path)]


def measured(task: Task, ours: Answered, champion: Answered | None) -> dict[str, Any]:
    """For each kind of case {n, passed, rate, champion, about, failures}; `champion` is its rate, or None.

    A case passes when all its variants do. There is no interval: people chose the cases, nothing drew them.
    """
    found = [(case, wrong(case, task, said), said) for case, said in ours]
    theirs = {case.name: not wrong(case, task, said) for case, said in champion or ()}
    return {kind: _kind(task, [one for one in found if one[0].kind == kind], theirs)
            for kind in KINDS if any(case.kind == kind for case, _ in ours)}  # fmt: skip


def _kind(task: Task, found: Sequence[tuple[Case, list[str], Answers]], theirs: Mapping[str, bool]) -> dict[str, Any]:
    passed = [not problems for _, problems, _ in found]
    matters = dict.fromkeys(case.about for case, _, _ in found)
    return {
        **_share(passed),
        "champion": _share([theirs[case.name] for case, _, _ in found])["rate"] if theirs else None,
        "about": {
            matter: _share([not problems for case, problems, _ in found if case.about == matter]) for matter in matters
        },
        "failures": [_failure(task, *one, theirs.get(one[0].name)) for one in found if one[1]][:SHOWN],
    }


def _share(passed: Sequence[bool]) -> dict[str, Any]:
    return {"n": len(passed), "passed": sum(passed), "rate": round(sum(passed) / len(passed), 6)}


def _failure(task: Task, case: Case, problems: Sequence[str], said: Answers, champion: bool | None) -> dict[str, Any]:
    """A failed case as it is shown: what was asked, what had to be so, and what was wrong."""
    return {
        "name": case.name,
        "about": case.about,
        "wanted": case.wanted,
        "texts": [" · ".join(task.read(row)) for row in case.asked],
        "said": [answer["prediction"] for answer in said],
        "problems": list(problems),
        "champion_passes": champion,
    }
