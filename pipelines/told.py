"""What rows would have a model write, where that is looked for in what a model learns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pipelines.blocks import ANSWER, TEXT
from pipelines.contained import WINDOW
from pipelines.formats import Dialog, Faq, Row
from pipelines.text_form import spaced

if TYPE_CHECKING:
    import polars as pl

# What is looked for of a row: all that is read, joined; each text of several; what should be written.
Part = Literal["whole", "part", "answer"]
# Fifteen English words, in characters of `text_form.spaced`. Of the example's summaries, which are about services of
# their own, one in 17 stands in the documentation of others word for word; of those as long as this, one in 700.
LONG = 96


def has_answers(form: type[Row]) -> bool:
    """Whether rows of a format have answers of their own: those of questions are passages, which many may share."""
    return form is Dialog or (form is not Faq and bool(form.ANSWERS))


def answers(frame: pl.DataFrame, form: type[Row]) -> pl.Series:
    """What each row of a format that has answers would have a model write; of a dialog, the assistant's last turn."""
    import polars as pl

    if form is not Dialog:
        return frame[ANSWER]
    last = pl.col("messages").list.last().struct
    said = pl.when(last.field("role") == "assistant").then(last.field("content")).otherwise(pl.lit(""))
    return frame.select(said.alias(ANSWER)).to_series()


def is_long(text: str) -> bool:
    """Whether a text is too long to be a stock phrase."""
    return len(spaced(text)) >= LONG


def tells(answer: str, form: type[Row]) -> bool:
    """Whether an answer that is learned elsewhere tells anything: short ones are alike, and so are turns of dialogs."""
    return is_long(answer) if form is Dialog else len(spaced(answer)) >= WINDOW


def parts(frame: pl.DataFrame, form: type[Row]) -> Iterator[tuple[Part, pl.Series]]:
    """What is looked for of the rows in longer texts."""
    yield "whole", frame[TEXT]
    if len(form.TEXTS) > 1:
        yield from (("part", frame[name]) for name in form.TEXTS)
    if has_answers(form):
        yield "answer", answers(frame, form)
