"""Every hour: reviews that still wait are brought to mind, by the connection that told of them first."""

from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import CronTriggerTimetable, Param, dag, task
from airflow.sdk.exceptions import AirflowFailException

from dags.step import where
from pipelines.airflow_api import Airflow
from pipelines.notice import Message, reminders
from pipelines.settings import read_settings

HOUR = timedelta(hours=1)
AT = "Send what would be due in the hour before this time, as if it were then: to see whether messages arrive"


@dag(
    description="Reviews that still wait",
    schedule=CronTriggerTimetable("0 * * * *", timezone="UTC"),
    start_date=pendulum.datetime(2026, 11, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    params={"at": Param(None, type=["null", "string"], format="date-time", description=AT)},
    tags=["review"],
    doc_md="Recipes say how they are told, and how often: `notify` and `remind_hours` under `[review]`.",
)
def remind() -> None:
    """One task."""
    tell()


# Where the promoter's password is, as whom it asks. Tried once: who was reached is not told again for the others' sake.
@task(task_id="remind", **(where("record_review") | {"retries": 0}))
def tell(*, dag_run: Any, params: Any, ti: Any) -> None:
    """Send what has become due since the run before this one."""
    settings, at = read_settings(), params["at"]
    now = pendulum.parse(at) if at else dag_run.logical_date or dag_run.run_after
    before = None if at else ti.get_previous_dagrun()
    since = before.logical_date if before else now - HOUR
    waiting = Airflow(settings, "promoter").pending()
    messages = reminders(waiting, since, now, settings)
    print(f"{len(waiting)} reviews are open, of {len(messages)} their reviewers are reminded", flush=True)
    failed = [f"{message.title} ({why})" for message in messages if (why := _sent(message))]
    if failed:
        raise AirflowFailException("not sent: " + "; ".join(failed))


def _sent(message: Message) -> str | None:
    """Why a message could not be sent; None when it was handed over."""
    # Few hours have something to send, and every parsing of the DAGs would wait for it.
    from dags.notice import send  # noqa: PLC0415

    try:
        send(message.connection, message.title, message.body)
    except Exception as error:  # noqa: BLE001 - whatever a service raises, the others are told
        return f"connection {message.connection}: {error}"
    print(f"told by {message.connection}: {message.title}", flush=True)
    return None


remind()
