"""A task that runs one step of a run, for every DAG whose tasks pass on URIs."""

from collections.abc import Callable
from typing import Any

from airflow.sdk import task

from dags.child import RETRIES, run_step
from pipelines.identity import OF_PROMOTER
from pipelines.settings import read_settings


def step(name: str, task_id: str | None = None, **options: Any) -> Callable[..., Any]:
    """A task that runs one step; every step may be run again, for what is done already is found done."""
    # Two plain parameters: a function that takes **keywords would be given Airflow's whole context as inputs.
    operator = task(task_id=task_id or name, **where(name), **options)(lambda run, inputs: run_step(name, run, inputs))
    return lambda run=None, /, **inputs: operator(run, inputs)


def where(name: str) -> dict[str, Any]:
    """How often a step is tried, and on which workers: those with the promoter's password may be others."""
    queue = read_settings().promoter_queue if name in OF_PROMOTER else None
    return RETRIES | ({"queue": queue} if queue else {})
