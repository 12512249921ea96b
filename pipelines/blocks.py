"""A block of rows as a table: the columns of the format, the line of each row, and what is wrong with the others."""

from __future__ import annotations

import types
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from pipelines.formats import Row, allowed_values
from pipelines.text_lines import Fault

if TYPE_CHECKING:
    import polars as pl

LINE = "\0line"  # names that no column of a format has
RAW = "\0raw"
TEXT, ANSWER, WRITTEN, PLAIN = "\0text", "\0answer", "\0written", "\0plain"
PLACE = "\0place"  # file and line of a row in one number
NULL = "\0null"  # stands in a column of texts where a row says null, though it need not


@dataclass
class Block:
    """Rows that are of their format (`frame`: LINE, RAW = the row as JSON text, and columns), and faults of others."""

    frame: pl.DataFrame
    rows: int  # of the file, faulty ones included
    faults: list[Fault] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    read: float = 0.0  # share of the file that is read with this block


def arrow_schema(form: type[BaseModel]) -> dict[str, Any]:
    """The Arrow type of every field of a format."""
    return {name: _arrow(found.annotation) for name, found in form.model_fields.items()}


def frame_of(rows: list[dict[str, Any]], numbers: list[int], raw: list[bytes], form: type[Row]) -> pl.DataFrame:
    """The table of some rows that are of their format."""
    import polars as pl
    import pyarrow as pa

    columns = {n: pa.array([_value(row, n, form) for row in rows], kind) for n, kind in arrow_schema(form).items()}
    frame = pl.from_arrow(pa.table(columns))
    assert isinstance(frame, pl.DataFrame)
    return frame.with_columns(
        pl.Series(LINE, numbers, pl.UInt64), pl.Series(RAW, [line.decode() for line in raw], pl.String)
    )


def defaults(form: type[Row]) -> list[pl.Expr]:
    """What fills the columns that a row may leave out."""
    import polars as pl

    fields = form.model_fields.items()
    return [pl.col(n).fill_null(f.default) for n, f in fields if not f.is_required() and f.default is not None]


def finite(column: Any) -> bool:
    """Whether an Arrow column holds no NaN and no infinity, for JSON has neither."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return not pa.types.is_floating(column.type) or bool(pc.all(pc.is_finite(column)).as_py() is not False)


def outside_bounds(frame: pl.DataFrame, form: type[Row]) -> bool:
    """Whether any value is outside the bounds that a format sets; reading row by row then says which."""
    import polars as pl

    for name, found in form.model_fields.items():
        if name == form.LABEL and not _named_once(frame[name]):
            return True
        if (allowed := allowed_values(form, name)) and not frame[name].drop_nulls().is_in(allowed).all():
            return True
        for bound in found.metadata:
            if getattr(bound, "min_length", None) and (frame[name].str.len_bytes() < bound.min_length).any():
                return True
            pattern = getattr(bound, "pattern", None)
            if pattern and not frame.select(pl.col(name).str.contains(pattern).all()).item():
                return True
    return False


def _named_once(labels: pl.Series) -> bool:
    """Whether no row of a column that may hold several labels holds an empty one, or one twice."""
    import polars as pl

    if not isinstance(labels.dtype, pl.List):
        return True
    return bool(((labels.list.n_unique() == labels.list.len()) & ~labels.list.contains("")).all())


def _value(row: dict[str, Any], name: str, form: type[Row]) -> Any:
    found = form.model_fields[name]
    if name not in row:
        return None if found.is_required() else found.default
    if found.annotation is float:
        # Arrow takes a whole number for one only while no digit is lost.
        return float(row[name])
    return NULL if row[name] is None and name == "timestamp" else row[name]


def _arrow(annotation: Any) -> Any:
    import pyarrow as pa

    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(a for a in get_args(annotation) if a is not type(None))
    if get_origin(annotation) is Literal:
        return pa.string()
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is list:
        return pa.list_(_arrow(get_args(annotation)[0]))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return pa.struct(list(arrow_schema(annotation).items()))
    return {str: pa.string(), int: pa.int64(), float: pa.float64()}[annotation]
