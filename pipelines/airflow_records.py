"""What Airflow's API answers, as far as we read it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import AliasPath, BaseModel, ConfigDict, Field


class Answered(BaseModel):
    """A part of an answer of Airflow's; what we do not use is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class DagRun(Answered):
    """A run of a DAG: its state is queued, running, success or failed."""

    run_id: str = Field(alias="dag_run_id")
    state: str
    triggering_user_name: str | None = None
    conf: dict[str, Any] | None = None
    start_date: datetime | None = None
    end_date: datetime | None = None


class Task(Answered):
    """One task of a run, in its latest try."""

    task_id: str
    state: str | None
    try_number: int
    start_date: datetime | None = None
    end_date: datetime | None = None


class User(Answered):
    """Somebody whom Airflow knows."""

    id: str
    name: str


class Review(Answered):
    """The question that the review task asks, and the answer as Airflow recorded it."""

    subject: str
    body: str | None = None
    options: list[str]
    assigned_users: list[User] = []
    created_at: datetime
    response_received: bool
    chosen_options: list[str] | None = None
    params_input: dict[str, Any] = {}
    responded_by: User | None = Field(None, alias="responded_by_user")
    responded_at: datetime | None = None


class Pending(Review):
    """A review that nobody has answered, and the run that waits for it."""

    dag_id: str = Field(validation_alias=AliasPath("task_instance", "dag_id"))


class Dag(Answered):
    """A DAG as Airflow last parsed it."""

    dag_id: str
    last_parsed_time: datetime | None = None
    is_paused: bool = False
    is_stale: bool = False


class ImportFailure(Answered):
    """A DAG file that could not be imported, and Python's account of it."""

    filename: str
    stack_trace: str
    timestamp: datetime
