"""Task: what text goes in, what comes out, and how the answer is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any, Literal

from models.bootstrap import Statistic
from models.prompt import Prompt

Row = Mapping[str, Any]
# Sources, references and answers in; what must be kept of each answer, by metric.
Judge = Callable[[Sequence[str], Sequence[Sequence[str]], Sequence[str]], Sequence[Mapping[str, Any]]]
# The same of whole rows and answers, where more counts than the text that was read.
RowJudge = Callable[[Sequence[Row], Sequence[str]], Sequence[Mapping[str, Any]]]
# One answer of a model, as it stands in predictions.jsonl.
Prediction = Mapping[str, Any]


def given(row: Row, column: str) -> Any:
    """What a column that a row may lack holds; None where it does, as a table says it by NaN."""
    found = row.get(column)
    return None if isinstance(found, float) else found


def texts_given(row: Row, column: str) -> list[str]:
    """The texts of a list that a row may lack, and none where it does."""
    found = given(row, column)
    return [] if found is None else [str(text) for text in found]


@dataclass(frozen=True)
class Task:
    """A content task, as data and pure functions.

    A task loads no model and no file. It says what the text is, so that training, evaluation, the baselines and the
    review all see the same input and the same target.
    """

    name: str
    format: str  # the rows it takes: a name of `pipelines/rows.py`
    version: int  # raise it when scores stop being comparable
    answer: Literal["label", "labels", "text", "passage", "click"]
    texts: tuple[str, ...]  # the columns a person wrote, in the order the model reads them
    target: str  # the column that the model must answer with
    primary: str  # the metric that decides
    measures: tuple[str, ...]  # every metric that it may have
    metrics: Callable[[Sequence[Prediction]], dict[str, float]]
    statistics: Callable[[Sequence[Prediction]], dict[str, Statistic]]  # the same metrics, for the bootstrap
    prompt: str = ""  # of a text to be written: the columns in braces, and what asks for the answer
    ask: Callable[[Row], Prompt] | None = None  # instead of `prompt`, where rows are not all asked in one form
    reads: Callable[[Row], tuple[str, ...]] | None = None  # what `read` returns, where it is not the columns `texts`
    example: Callable[[Row], Row] | None = None  # what stands in the data as the inputs and the target; ValueError
    optional: tuple[str, ...] = ()  # columns that a row may have, and a model then reads
    judges: tuple[Judge, ...] = ()  # what is kept of each written text, for the metrics
    row_judges: tuple[RowJudge, ...] = ()
    worst: str = ""  # the metric of one written text by which mistakes are sorted
    rivals: tuple[str, ...] = ()  # the trivial writers of models/baselines.py that must be beaten

    @property
    def objectives(self) -> tuple[str, ...]:
        """The pretrainings of models that can give its answers, the usual first."""
        if self.answer == "text":
            return ("causal", "denoising")
        return ("masked", "causal") if self.answer in ("label", "labels") else ("masked",)

    @property
    def objective(self) -> str:
        """The usual pretraining."""
        return self.objectives[0]

    @property
    def validated(self) -> str:
        """The metric of the validation rows by which epochs and settings are compared: no text is written for it."""
        return "bits_per_byte" if self.answer == "text" else self.primary

    def group(self, row: Row) -> str:
        """The row's `group`, else its first text: answers to one text share its difficulty, and are drawn together."""
        return str(row.get("group") or self.read(row)[0])

    def asked(self, row: Row) -> Prompt:
        """What a writing model is to continue; what asks for the answer stands last, and is never lost."""
        if self.ask:
            return self.ask(row)
        column = f"{{{self.texts[-1]}}}"
        before, _, after = self.prompt.partition(column)
        return Prompt(after.format_map(row), head=(before + column).format_map(row))

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that a row must have to be answered."""
        named = (name for _, name, *_ in Formatter().parse(self.prompt) if name)
        return tuple(dict.fromkeys((*self.texts, *named)))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read of a row: those it must have, and those it may."""
        return (*self.inputs, *self.optional)

    def references(self, row: Row) -> list[str]:
        """The right answers to a row: its own, and others that it may bring along; `refs` may name it too, or not."""
        own, refs = str(row[self.target]), list(row.get("refs") or ())
        return refs if own in refs else [own, *refs]

    def read(self, row: Row) -> tuple[str, ...]:
        """What the model reads of a row."""
        return self.reads(row) if self.reads else tuple(str(row[column]) for column in self.texts)
