"""When Airflow begins something by itself: the recipe's `[ingest]`, and what a cron is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from pipelines.section import Section

SQS = "apache-airflow-providers-amazon"


def _cron(text: str) -> str:
    from croniter import croniter  # type: ignore[import-untyped]

    if not croniter.is_valid(text):
        raise ValueError("not a cron expression such as 0 3 * * 1 (minute, hour, day, month, weekday)")
    return text


def _installed(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


Cron = Annotated[str, AfterValidator(_cron)]


class Ingest(Section):
    """Where new rows come from, and what makes Airflow look there; without any of it, only a person does."""

    source: str | None = Field(None, description="A folder, or s3://bucket/prefix/")
    cron: Cron | None = Field(None, description='Such as "*/15 * * * *": minute, hour, day, month, weekday')
    watch: bool = Field(False, description="Begin when the file _READY appears in the folder; it is deleted")
    queue: str | None = Field(None, description="URL of the SQS queue that hears of new objects")

    @model_validator(mode="after")
    def _source_fits(self) -> Self:
        named = [name for name in ("cron", "watch", "queue") if getattr(self, name)]
        if named and self.source is None:
            raise ValueError(f"{named[0]} needs a source: a folder, or s3://bucket/prefix/")
        if self.watch and "://" in str(self.source):
            raise ValueError("watch is for folders; for a bucket, give the queue that hears of new objects, or cron")
        if self.watch and self.queue:
            raise ValueError("watch and queue do not go together: one source has one of them")
        if self.queue and not _installed(SQS):
            raise ValueError(f"queue needs the package {SQS}, which is not installed")
        return self
