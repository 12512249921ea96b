"""The numbers of a set of files, added up block by block: counts and places here, everything that grows in spills."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipelines.blocks import LINE, PLACE, TEXT, Block
from pipelines.containers import Unreadable
from pipelines.facts import BEYOND_A_LIMIT, DOUBTFUL, SET_ASIDE, TEXT_SEED, View, facts
from pipelines.faults import FAULTS, NOTES, OF_FILES
from pipelines.findings import Place
from pipelines.formats import Dialog, Recommendation
from pipelines.measure import EXAMPLES, Measure, shown
from pipelines.plain_text import plain
from pipelines.spill import Spill, Texts
from pipelines.text_lines import Fault
from pipelines.told import answers, has_answers, parts, tells
from pipelines.toxicity import Sample

if TYPE_CHECKING:
    import polars as pl

    from pipelines.near_sets import NearSet

# What a set is for: a part of one may hold one class only, if no more were named, and what came in today in any case.
Role = Literal["part", "batch", "training", "auxiliary", "evaluation"]
FILE = 40  # bits of a place that are its line; its file is above them


class Tally:
    """A set of files (all of one format), as far as it was read."""

    def __init__(
        self, view: View, files: Sequence[str], folder: Path, labels: Sequence[str] | None, role: Role
    ) -> None:
        self.view, self.files, self.folder, self.known, self.role = view, files, folder, labels, role
        self.rows = 0
        self.refused = False  # whether a file could not be read to its end, or must not be
        self.labels: Counter[str] = Counter(dict.fromkeys(labels or (), 0))
        names = [*(name for name, *_ in (*FAULTS, *NOTES)), *SET_ASIDE, *DOUBTFUL, "licence", "unknown_labels"]
        self.measures = {name: Measure(of=len(files) if name in OF_FILES else 0) for name in names}
        self.aside: Counter[frozenset[str]] = Counter()  # rows by the checks that they fail
        self.ids = Spill(folder, "ids", ("id_key", PLACE))
        self.texts = Spill(folder, "texts", ("text_key", "answer_key", PLACE))
        self.firsts = Spill(folder, "firsts", ("text_key", PLACE))
        self.singles = Spill(folder, "singles", ("text_key", PLACE))  # of auxiliary rows, each text by itself
        self.answers = Spill(folder, "answers", ("text_key", PLACE))  # of evaluation rows, those that tell anything
        self.edges = Spill(folder, "edges", ("key", PLACE))
        self.users = Spill(folder, "users", ("user_key", "timestamp", PLACE))
        self.items = Spill(folder, "items", ("item_key", PLACE))
        toxicity = view.limits.toxicity if view.form is not Recommendation else None
        self.sample = Sample(toxicity.rows) if toxicity else None
        self.near: NearSet | None = None
        self.unread = 0  # rows beyond those that are looked at for near duplicates
        self.looked_for = Texts(folder / "texts.jsonl")  # of evaluation rows, to be looked for in longer ones

    def add(self, file: int, block: Block) -> pl.DataFrame:
        """Count a block of a file; its rows come back with their facts."""
        self.rows += block.rows
        self._count_faults(file, block)
        frame = facts(block.frame, self.view).with_columns(((file << FILE) | _line()).alias(PLACE))
        for name in (*SET_ASIDE, *DOUBTFUL):
            if failed := int(frame[name].sum()):
                rows = frame.filter(name)
                words = rows["personal_kinds"].to_list() if name == "personal_data" else ()
                self.measures[name].add(failed, self.places(rows[PLACE].head(EXAMPLES).to_list()), words)
        self._count_aside(frame)
        self._count_labels(frame)
        self._spill(frame)
        return frame

    def refuse(self, file: int, fault: Unreadable) -> None:
        """Count a file that could not be read to its end, or must not be."""
        self.refused = True
        self.measures[fault.check].add(1, [Place(file=self.files[file])], [fault.message])

    @property
    def tolerated(self) -> frozenset[str]:
        """The row checks with a limit that is kept: rows that fail only these stay."""
        return frozenset(n for n in BEYOND_A_LIMIT if self.measures[n].rows <= getattr(self.view.limits, n) * self.rows)

    @property
    def set_aside(self) -> int:
        """Rows that are not to be used, by the row checks."""
        return sum(rows for checks, rows in self.aside.items() if checks - self.tolerated)

    def places(self, packed: Sequence[int], field: str | None = None) -> list[Place]:
        """Where rows stand, from their packed numbers."""
        return [Place(file=self.files[at >> FILE], line=at & ((1 << FILE) - 1), field=field) for at in packed]

    def _count_faults(self, file: int, block: Block) -> None:
        name = self.files[file]
        for check in dict.fromkeys(fault.check for fault in block.faults):
            faults = sorted({f.line: f for f in reversed(block.faults) if f.check == check}.values(), key=_line_of)
            places = [Place(file=name, line=f.line, field=f.column) for f in faults[:EXAMPLES]]
            words = (f.message if check == "types" else f"line {f.line}: {f.message}" for f in faults)
            self.measures[check].add(len(faults), places, words if check == "types" else islice(words, EXAMPLES))
        for note, count in block.notes.items():
            self.measures[note].add(count, [Place(file=name)])

    def _count_aside(self, frame: pl.DataFrame) -> None:
        import polars as pl

        failed = frame.filter(pl.any_horizontal(SET_ASIDE)).select(SET_ASIDE)
        for row in failed.iter_rows(named=True):
            self.aside[frozenset(name for name, fails in row.items() if fails)] += 1

    def _count_labels(self, frame: pl.DataFrame) -> None:
        import polars as pl

        form = self.view.form
        if self.view.limits.licence:
            named = pl.col("licence").str.strip_chars().fill_null("") != ""
            lacking = frame.select(PLACE, named.alias("named")).filter(~pl.col("named"))[PLACE]
            self.measures["licence"].add(len(lacking), self.places(lacking.head(EXAMPLES).to_list()))
        if not form.LABEL:
            return
        labels = frame.select(pl.col(form.LABEL).alias("label"), PLACE)
        if isinstance(labels["label"].dtype, pl.List):
            labels = labels.explode("label").drop_nulls()
        labels = labels.with_columns(pl.col("label").cast(pl.String))
        self.labels.update(dict(labels["label"].value_counts().rows()))
        if self.known is not None:
            outside = labels.filter(~pl.col("label").is_in(list(self.known)))
            rows = outside[PLACE].unique(maintain_order=True)
            places = self.places(rows.head(EXAMPLES).to_list(), form.LABEL)
            counts = outside["label"].value_counts(sort=True).head(EXAMPLES).rows()
            self.measures["unknown_labels"].add(len(rows), places, {shown(label): n for label, n in counts})

    def _spill(self, frame: pl.DataFrame) -> None:
        import polars as pl

        self.ids.add(frame)
        if frame["empty_texts"].any():
            frame = frame.filter(~pl.col("empty_texts"))
        self.texts.add(frame)
        if self.sample:
            self.sample.add(frame)
        self._spill_parts(frame)
        for edge in ("start_key", "end_key"):
            self.edges.add(frame.select(pl.col(edge).alias("key"), PLACE).drop_nulls())
        if self.view.form is Recommendation:
            frame = frame.with_columns(user_key=pl.col("user_id").hash(6), item_key=pl.col("item_id").hash(7))
            self.users.add(frame.filter(pl.col("timestamp") >= 0))
            self.items.add(frame)
        elif self.view.limits.near_duplicates:
            self._index(frame)

    def _spill_parts(self, frame: pl.DataFrame) -> None:
        form = self.view.form
        if self.role == "evaluation" and form not in {Dialog, Recommendation}:
            self.firsts.add(frame.with_columns(text_key=plain(frame[form.TEXTS[0]]).hash(TEXT_SEED)))
        if self.role == "evaluation" and form is not Recommendation:
            for part, texts in parts(frame, form):
                self.looked_for.add(part, texts, frame[PLACE])
        if self.role == "auxiliary" and form is not Dialog:
            for name in (*form.TEXTS, *form.ANSWERS):
                self.singles.add(frame.with_columns(text_key=plain(frame[name]).hash(TEXT_SEED)))
        if has_answers(form):
            self._spill_answers(frame)

    def _spill_answers(self, frame: pl.DataFrame) -> None:
        import polars as pl

        form = self.view.form
        if self.role == "evaluation":
            tell = [tells(answer, form) for answer in answers(frame, form)]
            frame = frame.filter(pl.Series(tell, dtype=pl.Boolean))
        self.answers.add(frame.select(pl.col("told_key").alias("text_key"), PLACE))

    def _index(self, frame: pl.DataFrame) -> None:
        from pipelines.near_sets import NearSet

        self.near = NearSet(self.folder) if self.near is None else self.near
        first = frame.head(max(0, self.view.limits.near_rows - len(self.near)))
        self.unread += len(frame) - len(first)
        self.near.add(first[TEXT], first[PLACE].to_list())


def _line_of(fault: Fault) -> int:
    return fault.line or 0


def _line() -> pl.Expr:
    import polars as pl

    return pl.col(LINE).cast(pl.UInt64)
