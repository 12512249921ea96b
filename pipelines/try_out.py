"""A registered version is loaded and asked before the alias moves: it must answer as it was evaluated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models.tasks import TASKS
from pipelines.artifact import read_json
from pipelines.behaviour import ANSWERS
from pipelines.behaviour_recipe import PASSED
from pipelines.behaviour_report import by_case, measured, read_answered
from pipelines.champion import load
from pipelines.dossier import Dossier
from pipelines.errors import Refused
from pipelines.mirror import here
from pipelines.settings import Settings
from pipelines.verdict import at, number

# How far a probability may lie from the evaluated one: batches of other sizes round differently in bf16.
ROUNDING = 0.05


def try_out(version: str, dossier: Dossier, settings: Settings) -> None:
    """Load the registered version, ask it one example and every case of behaviour.

    Raises Refused unless it answers as it was evaluated.
    """
    report = here(dossier.artifacts["report"].uri)
    row = next(iter(read_json(report / "report.json")["examples"]), None)
    if row is None:
        raise Refused("the report holds no example to try the model with; run evaluate again")
    with load(dossier.name, version, settings) as model:
        answer = _answers(model, [row])[0]
        if not same_answer(answer, row):
            raise Refused(f"version {version} answers {answer} to example {row['id']}, which was evaluated as {row}")
        told = f"and answers example {row['id']} as evaluated: {answer['prediction']!r:.80}"
        print(f"version {version} loads, {told}", flush=True)
        if at(dossier.recipe, "evaluate", "behaviour"):
            try_cases(model, report / ANSWERS, dossier, version)


def try_cases(model: Any, evaluated: Path, dossier: Dossier, version: str) -> None:
    """Ask a loaded model every case. Raises Refused naming the case where it answers otherwise than evaluated.

    Of written texts, which rounding can turn, the cases are judged anew: the gates on them must hold as they did.
    """
    if not evaluated.is_file():
        raise Refused(f"{evaluated} is missing, and the recipe names cases of behaviour; start a new run")
    kept, task = read_answered(evaluated), TASKS[dossier.recipe["task"]]
    said = _answers(model, [row for case, _ in kept for row in case.asked])
    found = by_case([case for case, _ in kept], said)
    for (case, before), after in zip(kept, found, strict=True):
        for was, now in zip(before, after, strict=True):
            if not same_answer(now, was):
                raise Refused(f"version {version} answers {now} to case {case.name!r}, which was evaluated as {was}")
    rates = (
        measured(task, list(zip((case for case, _ in kept), found, strict=True)), None) if task.answer == "text" else {}
    )
    for gate in dossier.gates:
        rate = number(at(rates, gate.metric.removeprefix(PASSED), "rate"))
        if gate.metric.startswith(PASSED) and rate is not None and gate.limit is not None and rate < gate.limit:
            raise Refused(
                f"version {version} has {gate.metric} {rate:.4g}, and {gate.limit:g} is needed; evaluated it had "
                f"{gate.value:.4g}: promote on a machine like that of the evaluation, or start a new run"
            )
    print(f"version {version} answers the cases of behaviour, {len(said):,} texts, as evaluated", flush=True)


def same_answer(answer: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether a served answer is the evaluated one, up to rounding; of a written text only that there is one.

    Rounding can turn a word of a long text, and everything after it; of two answers alike it can put either first, and
    a label whose probability is at the threshold it can leave out.
    """
    if "answers" in answer:
        return row["prediction"] in (found["answer"] for found in answer["answers"])
    if "probabilities" in answer:
        return all(_close(answer["probabilities"].get(label), said) for label, said in row["probabilities"].items())
    if "probability" not in row:
        return isinstance(answer["prediction"], str)
    return _close(answer["probability"], row["probability"])


def _close(probability: float | None, evaluated: float) -> bool:
    return probability is not None and math.isclose(probability, evaluated, rel_tol=0, abs_tol=ROUNDING)


def _answers(model: Any, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    names = model.metadata.get_input_schema().input_names()
    return list(model.predict([{name: row.get(name) for name in names} for row in rows]))
