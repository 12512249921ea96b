"""A run in Airflow, followed in the terminal: what each task says, the review, and how it ended."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple

from models.progress import Bars, spoken, told
from pipelines.airflow_api import Airflow
from pipelines.airflow_records import Task
from pipelines.decision import REVIEWS
from pipelines.errors import Refused, ScriptoriumError
from pipelines.recipe_file import SHORT, load_recipe, overrides_from_form, taken_refresh
from pipelines.settings import Settings

REFUSED = "refused: "
WAITS = "awaiting_input"
# What each task that asks somebody is called before people.
TITLES = dict(zip(REVIEWS, ("The review", "The second review"), strict=True))
POLL_S = 2.0
# A run goes on while the API server restarts: 25 s on two idle cores, beside a training three times that.
PATIENCE_S = 90.0


@dataclass(frozen=True)
class Started:
    """A run that was started, and when it was followed, the exit code that tells how it ended."""

    run_id: str
    page: str
    exit_code: int | None


class Asked(NamedTuple):
    """A review of a run: the task that asks."""

    run_id: str
    task: str


def trigger(recipe: str, changes: dict[str, Any], settings: Settings, *, follow: bool) -> Started:
    """Start a run as the engineer, and follow it if asked."""
    form = form_of(recipe, changes, settings)
    airflow, dag_id = Airflow(settings, "engineer", PATIENCE_S), dag_of(recipe)
    run_id = airflow.trigger(dag_id, form)
    page = f"{settings.airflow_url}/dags/{dag_id}/runs/{run_id}"
    print(f"started {run_id}: {page}", flush=True)
    code = follow_run(airflow, dag_id, run_id, lambda asked: ask(recipe, airflow, asked, settings)) if follow else None
    return Started(run_id, page, code)


def form_of(recipe: str, changes: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """The trigger form with changes; a recipe key that the form has not is refused, naming those it has."""
    form = {SHORT.get(key, key): value for key, value in changes.items()}
    own = dict(form)
    taken_refresh(own)
    overrides_from_form(load_recipe(settings.recipes / f"{recipe}.toml"), own)
    return form


def dag_of(recipe: str) -> str:
    return f"train__{recipe}"


def ask(recipe: str, airflow: Airflow, asked: Asked, settings: Settings) -> None:
    """Say who is asked, and where they can answer."""
    able = [user.name for user in airflow.review(dag_of(recipe), *asked).assigned_users]
    print(f"\n{TITLES[asked.task]} is open: {settings.airflow_url}/required_actions (as {' or '.join(able)})")
    here = f"scriptorium review {recipe} --approve --reason '...' --as {able[0]}"
    print(f"  or here: {here}   (or --reject)\n", flush=True)


def answer(recipe: str, option: str | None, reason: str, user: str, settings: Settings) -> dict[str, str | None]:
    """Answer the open review of a recipe, or print what it asks; returns what was said or asked, and by whom.

    Raises Refused when none is open.
    """
    airflow, dag_id = Airflow(settings, user), dag_of(recipe)
    asked = open_review(recipe, airflow)
    if option is None:
        question = airflow.review(dag_id, *asked)
        print(question.body)
        return {"run_id": asked.run_id, "subject": question.subject, "body": question.body}
    answer_run(airflow, dag_id, asked, option, reason)
    return {"run_id": asked.run_id, "answer": option.lower(), "user": user, "reason": reason}


def answer_run(airflow: Airflow, dag_id: str, asked: Asked, option: str, reason: str) -> None:
    """Answer an open review of one run, and say so."""
    if not reason.strip():
        raise Refused("a review needs a reason; say why with --reason '...'")
    airflow.answer(dag_id, asked.run_id, option, reason, asked.task)
    print(f"{option.lower()} recorded for {asked.run_id}, as {airflow.user}: {reason}", flush=True)


def open_review(recipe: str, airflow: Airflow) -> Asked:
    """The review that is open in an unfinished run, the oldest if there are several.

    Raises Refused when there is none.
    """
    dag_id = dag_of(recipe)
    for run in airflow.unfinished_runs(dag_id):
        if waiting := _waiting(airflow.tasks(dag_id, run.run_id)):
            return Asked(run.run_id, next(iter(waiting))[0])
    raise Refused(f"no review of {recipe} is open; start a run with `scriptorium trigger {recipe}`")


def follow_run(airflow: Airflow, dag_id: str, run_id: str, on_review: Callable[[Asked], None]) -> int:
    """Print what every task does until the run ends; 0: a champion, 10: refused, 1: broken."""
    with closing(_Screen(airflow, dag_id, run_id)) as screen:
        return _followed(screen, airflow, dag_id, run_id, on_review)


def _followed(screen: _Screen, airflow: Airflow, dag_id: str, run_id: str, on_review: Callable[[Asked], None]) -> int:
    asked, said = set[tuple[str, int]](), ""
    while True:
        run, tasks = airflow.run(dag_id, run_id), airflow.tasks(dag_id, run_id)
        screen.show(tasks)
        why = why_queued(airflow, dag_id, run_id) if run.state == "queued" else ""
        if why not in ("", said):
            print(why, flush=True)
            said = why
        for place in _waiting(tasks) - asked:
            on_review(Asked(run_id, place[0]))
            asked.add(place)
        if run.state in ("success", "failed"):
            return _outcome(tasks, screen.last_lines)
        time.sleep(POLL_S)


def why_queued(airflow: Airflow, dag_id: str, run_id: str) -> str:
    """What a queued run waits for, in words; empty when nothing is known to be in its way."""
    ahead = next((run.run_id for run in airflow.unfinished_runs(dag_id)), run_id)
    if ahead == run_id:
        paused = any(dag.is_paused for dag in airflow.dags() if dag.dag_id == dag_id)
        return f"{run_id} is queued: {dag_id} is paused; unpause it on its page" if paused else ""
    cure = f"answer it: scriptorium review {dag_id.removeprefix('train__')} --approve or --reject --reason '...'"
    review = f", whose review is open; {cure}" if _waiting(airflow.tasks(dag_id, ahead)) else ""
    return f"{run_id} is queued: one run at a time, and the one ahead is {ahead}{review}"


def _waiting(tasks: list[Task]) -> set[tuple[str, int]]:
    """The review that waits for an answer, and its try; a crash in its wake may bring a second one."""
    return {(task.task_id, task.try_number) for task in tasks if task.task_id in REVIEWS and task.state == WAITS}


def _outcome(tasks: list[Task], last_lines: dict[str, str]) -> int:
    states = {task.task_id: task.state for task in tasks}
    if states.get("promote") == "success":
        return 0
    failed = [task.task_id for task in tasks if task.state == "failed"]
    if states.get("promote") == "skipped" or any(last_lines.get(t, "").startswith(REFUSED) for t in failed):
        return Refused.exit_code
    return ScriptoriumError.exit_code


class _Screen:
    """Prints each task's new log lines and changes of state, with the time since the start."""

    def __init__(self, airflow: Airflow, dag_id: str, run_id: str) -> None:
        self._airflow, self._dag_id, self._run_id = airflow, dag_id, run_id
        self._states: dict[str, tuple[str | None, int]] = {}
        self._printed: dict[tuple[str, int], int] = {}
        self._start = time.monotonic()
        self._bars = Bars() if sys.stdout.isatty() else None
        self.last_lines: dict[str, str] = {}

    def show(self, tasks: list[Task]) -> None:
        for task in tasks:
            if task.state in ("running", "success", "failed", "up_for_retry", "awaiting_input"):
                self._log(task)
            if self._states.get(task.task_id) != (task.state, task.try_number):
                self._states[task.task_id] = (task.state, task.try_number)
                self._change(task)

    def _log(self, task: Task) -> None:
        if self._states.get(task.task_id) == (task.state, task.try_number) and task.state != "running":
            return
        place = (task.task_id, task.try_number)
        lines = self._airflow.log(self._dag_id, self._run_id, *place)
        for line in lines[self._printed.get(place, 0) :]:
            self._line(task.task_id, line)
        self._printed[place] = len(lines)
        if told := [line for line in lines if line.startswith(REFUSED)] or lines[-1:]:
            self.last_lines[task.task_id] = told[-1]

    def close(self) -> None:
        """Give the terminal back."""
        if self._bars:
            self._bars.close()

    def _change(self, task: Task) -> None:
        if self._bars and task.state != "running":
            self._bars.remove(task.task_id)
        if task.state in ("failed", "up_for_retry", "skipped", "upstream_failed", "awaiting_input"):
            self._line(task.task_id, f"[{task.state.replace('_', ' ')}]")

    def _line(self, task_id: str, text: str) -> None:
        row = told(text) if self._bars else None
        if self._bars and row:
            self._bars.show(task_id, row)
            return
        minutes, seconds = divmod(int(time.monotonic() - self._start), 60)
        print(f"{minutes:3d}:{seconds:02d}  {task_id[:14]:14s}  {spoken(text)}", flush=True)
