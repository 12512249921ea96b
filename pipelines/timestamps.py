"""Timestamps: ISO 8601 in texts, Unix seconds in numbers; nothing is guessed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

ISO = r"^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:Z|[+-]\d{2}(?::?\d{2})?)?)?$"
# A date without an offset may be that of the place where the day begins first (UTC+14).
AHEAD = timedelta(hours=14)


def bad_timestamp(column: pl.Expr, earliest: str, now: datetime, *, seconds: bool) -> pl.Expr:
    """Whether a timestamp is of another form, impossible, before `earliest` or after `now`.

    A row without one is right; one that says null is not.

    `now` has a time zone. `seconds` says that the column holds numbers.
    """
    first, last = date.fromisoformat(earliest), now.astimezone(UTC).replace(tzinfo=None) + AHEAD
    if seconds:
        start = int(datetime.combine(first, datetime.min.time(), UTC).timestamp())
        return ~column.is_between(start, int(now.timestamp())) & column.is_not_null()
    day = column.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    clock = column.str.slice(11, 5)
    known_time = (clock == "") | clock.str.contains(r"^([01]\d|2[0-3]):[0-5]\d$")
    seconds_right = ~column.str.contains(r"^.{16}:([6-9])")
    good = column.str.contains(ISO) & day.is_not_null() & known_time & seconds_right
    return column.is_not_null() & ~(good & day.is_between(first, last.date())).fill_null(value=False)
