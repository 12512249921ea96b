"""What reviewers are told by mail or chat: that they are asked, how it stands, and where; no text of any example."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipelines.airflow_records import Pending
from pipelines.errors import Refused
from pipelines.recipe import Recipe
from pipelines.recipe_file import load_recipe
from pipelines.settings import Settings

PAGE = re.compile(r"https?://[^\s()]+/review/[^\s()/]+/[0-9a-f]{64}")


@dataclass(frozen=True)
class Message:
    """What is sent, and by which of Airflow's connections."""

    connection: str
    title: str
    body: str


def notice(packet: str) -> str:
    """The verdict of a packet and the address of its review page, as plain text."""
    verdict = packet.strip().split("\n", 1)[0].strip("*")
    page = PAGE.search(packet)
    return f"{verdict}\n\nRead, judge and decide: {page[0]}" if page else verdict


def reminders(pending: Iterable[Pending], since: datetime, until: datetime, settings: Settings) -> list[Message]:
    """What to send at `until` about the reviews that wait, when `since` is the last time that this was asked.

    A review is brought to mind whenever another `remind_hours` of its recipe have passed, once for each.
    """
    return [
        _reminder(asked, recipe.review.notify, _closes(asked, recipe), until)
        for asked, recipe in _known(pending, settings)
        if recipe.review.notify and due(asked.created_at, timedelta(hours=recipe.review.remind_hours), since, until)
    ]


def due(asked_at: datetime, every: timedelta, since: datetime, until: datetime) -> bool:
    """Whether a whole multiple of `every` after `asked_at` lies after `since`, and not after `until`."""
    # In seconds: Airflow's times are pendulum's, whose differences cannot be divided by a timedelta.
    before, now = ((at - asked_at).total_seconds() // every.total_seconds() for at in (since, until))
    return now > max(0, before)


def _known(pending: Iterable[Pending], settings: Settings) -> Iterator[tuple[Pending, Recipe]]:
    """Each with its recipe; without those whose recipe is gone, or refused, which dags/recipes.py reports."""
    for asked in pending:
        with suppress(Refused):
            yield asked, load_recipe(settings.recipes / f"{asked.dag_id.removeprefix('train__')}.toml")


def _closes(asked: Pending, recipe: Recipe) -> datetime:
    return asked.created_at + timedelta(days=recipe.review.expires_days)


def _reminder(asked: Pending, connection: str, closes: datetime, now: datetime) -> Message:
    waits = f"It has waited for {_hours(now - asked.created_at)}, and closes in {_hours(closes - now)}."
    return Message(connection, f"Still open: {asked.subject}", f"{notice(asked.body or '')}\n\n{waits}")


def _hours(span: timedelta) -> str:
    hours = round(span.total_seconds() / 3600)
    return f"{hours // 24} days" if hours >= 48 else f"{hours} hours"
