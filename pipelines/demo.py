"""The main job on one machine: data, services, a run, its review, and what came of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any

from pipelines import dataset, services, terminal
from pipelines.airflow_api import Airflow
from pipelines.artifact import MANIFEST, read_json
from pipelines.audit import audit
from pipelines.errors import Refused, ScriptoriumError
from pipelines.follow import PATIENCE_S, Asked, answer_run, ask, dag_of, follow_run
from pipelines.mirror import here
from pipelines.settings import Settings

RECIPE = "summary_checker"
OURS = "demo__"  # how the ids of the demo's own runs begin
TRAININGS = ("base", "pretrain", "finetune", "finetune_without_pretraining")
LIBRARIES = ("mlflow.pyfunc", "torch", "transformers")  # what loading the champion imports, in seven seconds
SHOWN = 3
ENDS = {0: "The champion is in place", 10: "Refused; the champion is as it was"}
REASONS = {"approve": "the scores beat both baselines", "reject": "a rehearsal of a refusal"}


def demo(review: str | None, settings: Settings) -> int:
    """Run the main job and return its exit code: 0 a champion, 10 refused, 1 broken.

    With `review` it answers by itself; else the pages stay up until Ctrl-C. It stops the services that it started.
    """
    if review is None and not sys.stdin.isatty():
        raise Refused("nobody can answer the review: no terminal is attached. Add REVIEW=approve or REVIEW=reject")
    start = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores one of them
            signal.signal(number, signal.default_int_handler)  # as Ctrl-C: stop what was started
    ready_data()
    was_up = services.running(settings) is not None
    try:
        services.up(settings)
        terminal.where_to_look(settings)
        code, run_id = run_to_the_end(review, settings)
        last_screen(code, run_id, time.monotonic() - start, settings)
        up = "" if was_up or review is None else f"{command('up')}; "
        print(f"Why, from data to reviewer:  {up}{command('audit')} {RECIPE}", flush=True)
        if was_up:
            print(f"The services stay up, as they were before; {command('down')} stops them.")
        elif review is None:
            stay_up(settings)
    finally:
        if not was_up:
            services.down(settings)
    return code


def ready_data() -> None:
    """Build data/ unless it is there, and prove that it is what data.dvc names."""
    try:
        dataset.verify()
    except ScriptoriumError:
        print("data/ is missing or is not what data.dvc names; building it")
        dataset.build()
        dataset.verify()


def run_to_the_end(review: str | None, settings: Settings) -> tuple[int, str]:
    """Start a run, or go on with the one that an earlier demo left, and follow it; its exit code and its id."""
    airflow, dag_id = Airflow(settings, "engineer", PATIENCE_S), dag_of(RECIPE)
    unfinished = (run.run_id for run in airflow.unfinished_runs(dag_id))
    # A run that somebody else started is not ours to approve.
    run_id = next((run_id for run_id in unfinished if run_id.startswith(OURS)), None)
    if run_id:
        print(f"going on with {run_id}, which was left unfinished")
    else:
        run_id = airflow.trigger(dag_id, {}, f"{OURS}{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}")
    print(f"watch it: {settings.airflow_url}/dags/{dag_id}/runs/{run_id}\n", flush=True)
    # The last screen needs them at once, and this process has nothing to do while Airflow works.
    Thread(target=lambda: [import_module(name) for name in LIBRARIES], daemon=True).start()
    return follow_run(airflow, dag_id, run_id, lambda asked: _review(review, airflow, asked, settings)), run_id


def _review(review: str | None, airflow: Airflow, asked: Asked, settings: Settings) -> None:
    if review is None:
        ask(RECIPE, airflow, asked, settings)
        return
    able = airflow.review(dag_of(RECIPE), *asked).assigned_users
    reviewer, reason = Airflow(settings, able[0].name, PATIENCE_S), f"{REASONS[review]} (make demo REVIEW={review})"
    answer_run(reviewer, dag_of(RECIPE), asked, review.capitalize(), reason)


def last_screen(code: int, run_id: str, seconds: float, settings: Settings) -> None:
    """The scores beside the baselines, the champion at work on unseen documents, and where to look."""
    print()
    made = outputs(run_id, settings)
    report = made.pop("evaluate", None)
    if report:
        terminal.scores(read_json(report / "report.json"))
    if "dossier" in audit(RECIPE, settings):
        show_champion(settings)
    print(f"\n{ENDS.get(code, 'The run broke')} after {seconds / 60:.1f} minutes.")
    if report and was_made_before(run_id, made.values(), settings):
        print("Every training step was reused: nothing that they depend on has changed.")
    if report:
        print(f"The report:                  {report / 'report.html'}")


def command(name: str) -> str:
    """A command as it can be typed here: by its path where the environment is not activated."""
    program = Path(sys.executable).with_name("scriptorium")
    return f"{'scriptorium' if shutil.which('scriptorium') else os.path.relpath(program)} {name}"


def outputs(run_id: str, settings: Settings) -> dict[str, Path]:
    """What the trainings and the evaluation of a run made, as far as it got."""
    airflow, dag_id = Airflow(settings, "engineer", PATIENCE_S), dag_of(RECIPE)
    ended = {task.task_id for task in airflow.tasks(dag_id, run_id) if task.state == "success"}
    return {name: here(airflow.result(dag_id, run_id, name)) for name in (*TRAININGS, "evaluate") if name in ended}


def was_made_before(run_id: str, artifacts: Iterable[Path], settings: Settings) -> bool:
    """Whether all of these artifacts are older than the run."""
    began = Airflow(settings, "engineer", PATIENCE_S).run(dag_of(RECIPE), run_id).start_date
    times = [datetime.fromtimestamp((artifact / MANIFEST).stat().st_mtime, UTC) for artifact in artifacts]
    return began is not None and max(times) < began


def show_champion(settings: Settings) -> None:
    """Three test documents with a right and a wrong draft each, and what the champion says of them."""
    from pipelines.predict import predict_lines

    couples = unseen_pairs(settings.data / "tasks" / "summary_check" / "test.jsonl")
    lines = [json.dumps(row) for couple in couples for row in couple]
    said = list(predict_lines(RECIPE, lines, "test.jsonl", settings))
    judged = zip(couples, zip(said[::2], said[1::2], strict=True), strict=True)
    print("\nThe champion on documents that it has never seen (the first of the test set whose drafts it tells apart):")
    told_apart = [(rows, answers) for rows, answers in judged if len({a["prediction"] for a in answers}) == 2]
    for rows, answers in told_apart[:SHOWN]:
        print(f"\n  {_short(rows[0]['text_a'], 150)}")
        for row, answer_ in zip(rows, answers, strict=True):
            verdict = "accepts" if answer_["prediction"] == "yes" else "refuses"
            right = "rightly" if answer_["prediction"] == row["label"] else "WRONGLY"
            print(f"    {verdict} ({right}, p = {answer_['probability']:.2f})  {_short(row['text_b'], 100)}")


def unseen_pairs(path: Path, count: int = 15) -> list[list[dict[str, Any]]]:
    """The first documents of the test set that come with a right and a wrong draft, right one first."""
    by_document: dict[str, dict[str, dict[str, Any]]] = {}
    with path.open(encoding="utf-8", newline="\n") as file:
        for row in map(json.loads, file):
            by_document.setdefault(row["text_a"], {}).setdefault(row["label"], row)
    whole = [drafts for drafts in by_document.values() if len(drafts) == 2]
    return [[drafts["yes"], drafts["no"]] for drafts in whole[:count]]


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rsplit(" ", 1)[0] + " ..."


def stay_up(settings: Settings) -> None:
    """Leave the pages up until Ctrl-C."""
    terminal.where_to_look(settings)
    print("The pages stay up until Ctrl-C.", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        print("stopping")
