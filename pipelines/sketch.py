"""What a set of files holds, counted while its rows are checked, so that a report costs no second reading."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipelines.blocks import ANSWER, LINE, NULL, RAW, TEXT, WRITTEN, Block
from pipelines.data_summary import (
    NAMES,
    STEPS,
    WORDS,
    FileCame,
    Picture,
    Sample,
    Summary,
    capped,
    most_common,
)
from pipelines.facts import SET_ASIDE, View
from pipelines.formats import MultiLabel, Recommendation, Translation
from pipelines.vocabulary import Vocabulary

if TYPE_CHECKING:
    import polars as pl

SAMPLES, SHOWN = 5, 80  # rows of a file that are shown, and characters of each
SCRIPT_HEAD = 400  # characters that tell the script of a row
SCRIPTS = ("Latin", "Han", "Hiragana", "Katakana", "Hangul", "Cyrillic", "Arabic", "Thai", "Devanagari", "Greek")
COLUMNS = ("label", "domain", "category", "split")
HELD = 20 * NAMES  # names of a column at once
NAME = "\0name"


@dataclass
class _File:
    rows: int = 0
    wrong: int = 0
    aside: Counter[frozenset[str]] = field(default_factory=Counter)
    refused: str | None = None
    samples: list[tuple[int, Sample]] = field(default_factory=list)


class Sketch:
    """A set of files as far as it was read. Counted are only rows that no row check doubts, whatever the limits."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.rows = 0
        self.files: dict[str, _File] = {}
        self.counts: dict[str, Counter[str]] = {}
        self.lengths: dict[str, Counter[int]] = {}
        self.words = Vocabulary()

    def add(self, name: str, block: Block, frame: pl.DataFrame) -> None:
        """Count a block of a file, `frame` being its rows with their facts."""
        import polars as pl

        file = self.files.setdefault(name, _File())
        file.rows += block.rows
        file.wrong += block.rows - len(frame)
        doubted = pl.any_horizontal(SET_ASIDE)
        for *failed, rows in frame.filter(doubted).group_by(SET_ASIDE).len().iter_rows():
            file.aside[frozenset(c for c, fails in zip(SET_ASIDE, failed, strict=True) if fails)] += rows
        good = frame.filter(~doubted)
        self.rows += len(good)
        self._count(good)
        self.words.add(good[WRITTEN])
        # Rows that share an id have one hash; which of them is shown is decided by their lines.
        found = [*file.samples, *_samples(good, self.view)]
        file.samples = sorted(found, key=lambda one: (one[0], one[1].line))[:SAMPLES]

    def refuse(self, name: str, reason: str) -> None:
        """A file that could not be read to its end, or must not be."""
        self.files.setdefault(name, _File()).refused = reason

    def summary(self) -> Summary:
        """The numbers by themselves."""
        words, rare = most_common(self.words.counts, WORDS)
        return Summary(
            format=self.view.name,
            rows=self.rows,
            counts={name: capped(counted.items()) for name, counted in self.counts.items() if counted},
            lengths={name: dict(sorted(counted.items())) for name, counted in self.lengths.items() if counted},
            words=words,
            rare=max(rare, self.words.rare),
        )

    def picture(self, tolerated: frozenset[str]) -> Picture:
        """The numbers, the files and a few rows of each; `tolerated` says which checks rows may fail and stay."""
        files = tuple(
            FileCame(
                name=name,
                rows=file.rows,
                wrong=file.wrong,
                aside=sum(rows for checks, rows in file.aside.items() if checks - tolerated),
                refused=file.refused,
                samples=tuple(sample for _, sample in file.samples),
            )
            for name, file in self.files.items()
        )
        return Picture(summary=self.summary(), files=files)

    def _count(self, good: pl.DataFrame) -> None:
        import polars as pl

        for name, values in _named(good, self.view).items():
            held = self.counts.setdefault(name, Counter())
            named = good.with_columns(values.alias(NAME))[NAME]
            named = (named.explode() if isinstance(named.dtype, pl.List) else named).drop_nulls()
            held.update(dict(named.value_counts().rows()))
            if len(held) > HELD:
                self.counts[name] = Counter(capped(held.items(), HELD // 2))
        for name, column in (("text", TEXT), ("answer", ANSWER)):
            steps = good.select(_step(column).alias("step")).drop_nulls()["step"]
            self.lengths.setdefault(name, Counter()).update(dict(steps.value_counts().rows()))


def _step(column: str) -> pl.Expr:
    """As `length_step` does."""
    import polars as pl

    return (STEPS * pl.col(column).str.len_chars().clip(1).log(2) + 1e-9).floor().cast(pl.Int64)


def _named(frame: pl.DataFrame, view: View) -> dict[str, pl.Expr]:
    """What rows are counted by, each a text or null."""
    import polars as pl

    found = {name: pl.col(name).cast(pl.String).str.slice(0, SHOWN) for name in COLUMNS if name in frame.columns}
    if view.form is MultiLabel:
        found["label"] = pl.col("labels").list.eval(pl.element().str.slice(0, SHOWN))
    found["language"] = _language(frame, view)
    found["script"] = _script()
    if frame[RAW].str.contains('"topic"', literal=True).any():
        found["topic"] = pl.col(RAW).str.json_path_match("$.topic").str.slice(0, SHOWN)
    if "timestamp" in frame.columns:
        found["month"] = _month(view)
    return found


def _language(frame: pl.DataFrame, view: View) -> pl.Expr:
    import polars as pl

    if view.form is Translation:
        return pl.concat_str(pl.col("source_lang"), pl.lit(" to "), pl.col("target_lang")).str.slice(0, SHOWN)
    if view.lang:
        return pl.lit(view.lang)
    return pl.col("lang").str.slice(0, SHOWN) if "lang" in frame.columns else pl.lit(None, pl.String)


def _month(view: View) -> pl.Expr:
    import polars as pl

    column = pl.col("timestamp")
    if view.form is Recommendation:
        return pl.from_epoch(column).dt.strftime("%Y-%m")
    return pl.when(column != NULL).then(column.str.slice(0, 7))


def _script() -> pl.Expr:
    """The script that most letters of a row are of."""
    import polars as pl

    head = pl.col(WRITTEN).str.slice(0, SCRIPT_HEAD)
    counts = pl.concat_list([head.str.count_matches(rf"\p{{{name}}}") for name in SCRIPTS])
    name = counts.list.arg_max().replace_strict(dict(enumerate(SCRIPTS)), return_dtype=pl.String)
    other = pl.when(head.str.contains(r"\p{L}")).then(pl.lit("another script")).otherwise(pl.lit("no letters"))
    return pl.when(counts.list.max() > 0).then(name).otherwise(other)


def _samples(good: pl.DataFrame, view: View) -> list[tuple[int, Sample]]:
    """The rows with the lowest hashes of their ids, which is a choice by chance that is always the same."""
    import polars as pl

    from pipelines.personal_data import find

    label = _shown_label(view)
    few = good.bottom_k(SAMPLES, by="id_key").select("id_key", LINE, WRITTEN, label.alias("label"))
    said = pl.concat_str(WRITTEN, "label", separator="\n", ignore_nulls=True)
    personal = set(find(few.select(said.alias("said"))["said"])["position"])
    return [
        (key, Sample(line=line, text=cut(text), label=label and cut(label)))
        for position, (key, line, text, label) in enumerate(few.iter_rows())
        if position not in personal
    ]


def _shown_label(view: View) -> pl.Expr:
    import polars as pl

    if view.form is MultiLabel:
        return pl.col("labels").list.join(", ")
    return pl.col(view.form.LABEL).cast(pl.String) if view.form.LABEL else pl.lit(None, pl.String)


def cut(text: str, most: int = SHOWN) -> str:
    """A text in one line of at most so many characters."""
    line = " ".join(text[: 4 * most].split())
    return line if len(line) <= most and len(text) <= 4 * most else line[: most - 1] + "…"
