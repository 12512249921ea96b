"""Judging blind in the terminal: the same examples as on the review page, asked of and kept by the same Airflow."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pipelines.airflow_api import Airflow
from pipelines.errors import Refused
from pipelines.follow import dag_of, open_review
from pipelines.settings import Settings

CHOICES = {"1": "a", "2": "b", "3": "same", "4": "both_bad"}
QUESTION = "1 A better  2 B better  3 same  4 both bad  Enter skip  q end: "


def judge_in_terminal(recipe: str, user: str, settings: Settings, ask: Callable[[str], str] = input) -> dict[str, Any]:
    """Show each example that the user has not judged yet, and keep what they say of it; returns how many are judged.

    Raises Refused when no review is open, or the user may not answer it.
    """
    airflow, dag_id = Airflow(settings, user), dag_of(recipe)
    asked = open_review(recipe, airflow)
    seal = _seal(airflow.review(dag_id, *asked).body or "")
    examples = airflow.blind_examples(dag_id, seal)
    if not examples:
        print("there is nothing to judge: no champion, or no example that both models answer otherwise")
    for example in (one for one in examples if not one["said"]):
        _show(example, len(examples))
        said = _answer(ask)
        if said == "q":
            break
        if said:
            airflow.judge(dag_id, seal, example["number"], CHOICES[said])
    judged = sum(bool(one["said"]) for one in airflow.blind_examples(dag_id, seal))
    print(
        f"{judged} of {len(examples)} judged; decide: scriptorium review {recipe} --approve or --reject --reason '...'"
    )
    return {"run_id": asked.run_id, "dossier": seal, "judged": judged, "of": len(examples)}


def _seal(body: str) -> str:
    found = re.search(r"/review/[^/]+/([0-9a-f]{64})", body)
    if found is None:
        raise Refused("the review names no dossier with examples to judge; start a new run")
    return found[1]


def _show(example: Mapping[str, Any], of: int) -> None:
    print(f"\n--- example {example['number'] + 1} of {of}")
    for name, text in example["input"].items():
        print(f"{name}: {text}")
    print(f"\nA: {example['a']}\n\nB: {example['b']}\n")


def _answer(ask: Callable[[str], str]) -> str:
    """One of the choices, nothing to skip, or q, which the end of the input says too."""
    while True:
        try:
            said = ask(QUESTION).strip().lower()
        except EOFError:
            return "q"
        if said in {"", "q", *CHOICES}:
            return said
        print(f"{said!r} is none of 1, 2, 3, 4, Enter and q")
