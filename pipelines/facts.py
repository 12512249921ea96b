"""What is to be known of each row of a block: which row checks it fails, what is doubtful, the keys of its content."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.blocks import ANSWER, PLAIN, TEXT, WRITTEN
from pipelines.formats import FORMATS, Dialog, Recommendation, Row, Translation, Unlabeled
from pipelines.limits import Limits
from pipelines.plain_text import CONTROL, MOJIBAKE, REPLACEMENT, empty, foreign, plain, primary_language
from pipelines.timestamps import bad_timestamp
from pipelines.told import answers, has_answers

if TYPE_CHECKING:
    import polars as pl

TEXT_SEED, ANSWER_SEED = 2, 3
EDGE = 40  # characters at the beginning and the end of a text that may be boilerplate
# Checks that set a row aside: always, or when more rows fail than a limit allows. Then what is only warned of.
ALWAYS = ("empty_texts", "short_texts", "long_texts")
BEYOND_A_LIMIT = (
    "personal_data",
    "control_characters",
    "replacement_characters",
    "timestamps",
    "turn_order",
    "empty_turns",
)
SET_ASIDE = ALWAYS + BEYOND_A_LIMIT
DOUBTFUL = ("mojibake", "other_script", "unanswered")
# Keys are 64-bit hashes: two of 10 million different contents share one with probability 3e-6.
KEYS = ("id_key", "text_key", "answer_key", "told_key", "start_key", "end_key")
TURNS = r"^(system )?user( assistant user)*( assistant)?$"


@dataclass(frozen=True)
class View:
    """How rows are looked at: their format, the limits, the language when it is not the row's own, and the time."""

    form: type[Row]
    limits: Limits
    lang: str | None
    now: datetime

    @property
    def name(self) -> str:
        """The format's name."""
        return next(name for name, form in FORMATS.items() if form is self.form)


def facts(frame: pl.DataFrame, view: View) -> pl.DataFrame:
    """A block with the columns SET_ASIDE, DOUBTFUL and KEYS, and TEXT, ANSWER, WRITTEN (both) and PLAIN texts."""
    import polars as pl

    frame = frame.with_columns(_texts(view.form))
    frame = frame.with_columns(pl.concat_str(TEXT, ANSWER, separator="\n", ignore_nulls=True).alias(WRITTEN))
    frame = frame.with_columns(**_set_aside(view), mojibake=_mojibake(frame[WRITTEN]))
    frame = frame.with_columns(personal_kinds=_personal(frame, view.limits)).with_columns(
        personal_data=pl.col("personal_kinds").is_not_null()
    )
    frame = frame.with_columns(other_script=_other_script(frame, view))
    frame = frame.with_columns(plain(frame[TEXT]).alias(PLAIN))
    return frame.with_columns(**_keys(frame, view.form))


def _texts(form: type[Row]) -> list[pl.Expr]:
    import polars as pl

    if form is Dialog:
        said = pl.col("messages").list.eval(pl.element().struct.field("content")).list.join("\n")
        return [said.alias(TEXT), pl.lit(None, pl.String).alias(ANSWER)]
    answer = pl.concat_str(form.ANSWERS, separator="\n") if form.ANSWERS else pl.lit(None, pl.String)
    return [pl.concat_str(form.TEXTS, separator="\n").alias(TEXT), answer.alias(ANSWER)]


def _set_aside(view: View) -> dict[str, pl.Expr]:
    import polars as pl

    form, limits, written, no = view.form, view.limits, pl.col(WRITTEN), pl.lit(value=False)
    flags = {
        "short_texts": pl.min_horizontal(_lengths(form)) < limits.shortest_text,
        "long_texts": pl.max_horizontal(_lengths(form)) > limits.longest_text,
        "control_characters": written.str.contains(CONTROL),
        "replacement_characters": written.str.contains(REPLACEMENT, literal=True),
        "timestamps": _timestamps(view) if "timestamp" in form.model_fields else no,
        "turn_order": no,
        "empty_turns": no,
        "unanswered": no,
        "empty_texts": pl.any_horizontal([empty(pl.col(name)) for name in (*form.TEXTS, *form.ANSWERS)]),
    }
    if form is Dialog:
        turns = pl.col("messages").list
        roles = turns.eval(pl.element().struct.field("role")).list.join(" ")
        nothing = turns.eval(empty(pl.element().struct.field("content"))).list
        flags["empty_texts"] = nothing.all()
        flags["empty_turns"] = nothing.any() & ~flags["empty_texts"]
        in_order = roles.str.contains(TURNS)
        flags["turn_order"] = ~in_order & ~flags["empty_texts"]
        flags["unanswered"] = in_order & ~roles.str.ends_with("assistant") & ~flags["empty_texts"]
    flags["short_texts"] = flags["short_texts"] & ~flags["empty_texts"]
    return flags


def _personal(frame: pl.DataFrame, limits: Limits) -> pl.Series:
    """The kinds of personal data in each row, joined, or null."""
    import polars as pl

    from pipelines.personal_data import find

    found = (
        find(frame[WRITTEN]) if limits.personal_data < 1 else pl.DataFrame(schema={"position": pl.UInt32, "kind": str})
    )
    kinds = found.group_by("position", maintain_order=True).agg(pl.col("kind").str.join(", "))
    rows = frame.select(pl.int_range(pl.len(), dtype=pl.UInt32).alias("position"))
    return rows.join(kinds, on="position", how="left", maintain_order="left")["kind"]


def _mojibake(texts: pl.Series) -> pl.Series:
    """Whether a text holds UTF-8 that was read as Latin-1: only one with characters above ASCII can."""
    above = texts.str.len_bytes() != texts.str.len_chars()
    return above.clone().scatter(above.arg_true(), texts.filter(above).str.contains(MOJIBAKE))


def _lengths(form: type[Row]) -> list[pl.Expr]:
    import polars as pl

    names = (TEXT,) if form is Dialog else (*form.TEXTS, *form.ANSWERS)
    return [pl.col(name).str.len_chars() for name in names]


def _timestamps(view: View) -> pl.Expr:
    import polars as pl

    column, earliest = pl.col("timestamp"), view.limits.earliest
    return bad_timestamp(column, earliest, view.now, seconds=view.form is Recommendation)


def _other_script(frame: pl.DataFrame, view: View) -> pl.Expr:
    """Of a translation, whether either side is in another script."""
    import polars as pl

    if view.form is Translation:
        sides = [("source", "source_lang"), ("target", "target_lang")]
    elif "lang" in view.form.model_fields or view.lang:
        sides = [(WRITTEN, "lang")]
    else:
        return pl.lit(value=False)
    found = []
    for text, column in sides:
        lang = pl.lit(view.lang) if view.lang and column == "lang" else pl.col(column)
        language = primary_language(lang)
        names = frame.select(language.unique().drop_nulls()).to_series().to_list()
        found.append(foreign(pl.col(text), language, names))
    return pl.any_horizontal(found).fill_null(value=False)


def _keys(frame: pl.DataFrame, form: type[Row]) -> dict[str, pl.Expr | pl.Series]:
    import polars as pl

    long, answer = pl.col(PLAIN).str.len_chars() >= 2 * EDGE, _answer(frame, form)
    return {
        "id_key": pl.col("id").hash(1),
        "text_key": pl.concat_str(form.KEY, separator="\n").hash(TEXT_SEED)
        if form.KEY
        else pl.col(PLAIN).hash(TEXT_SEED),
        "answer_key": answer.hash(ANSWER_SEED),
        "told_key": _told(frame, form, answer),
        "start_key": pl.when(long).then(pl.col(PLAIN).str.head(EDGE).hash(4)),
        "end_key": pl.when(long).then(pl.col(PLAIN).str.tail(EDGE).hash(5)),
    }


def _answer(frame: pl.DataFrame, form: type[Row]) -> pl.Series:
    if form.LABEL:
        return _labels(frame[form.LABEL])
    if form is Unlabeled:
        return frame["split"]
    return plain(frame[ANSWER]) if form.ANSWERS else frame[ANSWER]


def _told(frame: pl.DataFrame, form: type[Row], answer: pl.Series) -> pl.Series:
    """By the seed of texts: what one row has written, another may read."""
    import polars as pl

    if not has_answers(form):
        return pl.Series([None] * len(frame), dtype=pl.UInt64)
    return (plain(answers(frame, form)) if form is Dialog else answer).hash(TEXT_SEED)


def _labels(labels: pl.Series) -> pl.Series:
    """A row's label; of several, all in one text, whatever their order."""
    import polars as pl

    return labels.list.sort().list.join("\n") if isinstance(labels.dtype, pl.List) else labels.cast(pl.String)
