"""Every few minutes: what stands in the registry and follows from no ledger is undone, and the task ends red."""

from datetime import timedelta

import pendulum
from airflow.sdk import dag, task

from dags.child import run_step
from dags.step import where

EVERY = timedelta(minutes=5)


@dag(
    description="The registry against the ledgers",
    schedule=EVERY,
    start_date=pendulum.datetime(2026, 11, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    tags=["registry"],
    doc_md="A failed run undid something, or found what nobody can undo; its log says what.",
)
def reconcile() -> None:
    """One task."""
    task(task_id="reconcile", **where("reconcile"))(lambda: run_step("reconcile", None, {}))()


reconcile()
