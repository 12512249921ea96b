"""Numbers about data files, for the expectations to judge: one flat dictionary per file or set of files."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.baselines import WORD
from models.tasks.task import Task
from pipelines.rows import Row, lines, parse, problem

if TYPE_CHECKING:
    import polars as pl

Metrics = dict[str, float]
# Where the first offenders stand, in words, by metric.
Places = dict[str, list[str]]

SHINGLE = 3  # words
PERMUTATIONS = 64
NEAR = 0.8  # Jaccard similarity from which two texts count as the same


@dataclass(frozen=True)
class Table:
    """The well-formed rows of a file: line, id, text (all texts joined, plain), longest, empty, target, split."""

    frame: pl.DataFrame
    bad: list[str]


def read_table(path: Path, form: type[Row], texts: Sequence[str], target: str | None) -> Table:
    """Read a file, keeping the malformed lines aside with what is wrong with each."""
    import polars as pl

    found, bad = [], []
    for number, line in lines(path):
        row = parse(line)
        wrong = row if isinstance(row, str) else problem(row, form)
        if isinstance(row, str) or wrong:
            bad.append(f"line {number}: {wrong}")
        else:
            found.append(_facts(number, row, texts, target))
    return Table(pl.DataFrame(found, schema=_SCHEMA), bad)


def corpus_metrics(table: Table) -> tuple[Metrics, Places]:
    """What the corpus suite judges."""
    import polars as pl

    metrics, places = _file_metrics(table)
    training = table.frame.filter(pl.col("split") == "train")
    leaked = table.frame.filter(pl.col("split") == "heldout").filter(pl.col("text").is_in(_set(training, "text")))
    metrics |= {"training_rows": len(training), "heldout_in_training": len(leaked)}
    places["heldout_in_training"] = _lines(leaked)
    return metrics, places


def examples_metrics(table: Table, task: Task) -> tuple[Metrics, Places]:
    """What the suite for one split of a task judges."""
    import polars as pl

    metrics, places = _file_metrics(table)
    if task.answer == "label":
        targets = table.frame.group_by("text").agg(pl.col("target").n_unique().alias("n"), "line")
        torn = targets.filter(pl.col("n") > 1).sort("line")
        shares = table.frame["target"].value_counts(normalize=True).sort("proportion", "target").rows()
        metrics["labels"] = len(shares)
        metrics["rarest_label_share"] = shares[0][1] if shares else 0
        places["rarest_label_share"] = [f"label {label!r}" for label, _ in shares[:1]]
        metrics["contradictions_share"] = len(torn) / max(1, len(targets))
        places["contradictions_share"] = [f"lines {', '.join(map(str, found))}" for found in torn["line"].to_list()[:3]]
    return metrics, places


def split_metrics(splits: Mapping[str, Table], corpus: Table, task: Task) -> tuple[Metrics, Places]:
    """What the suite across train, validation and test judges."""
    import polars as pl

    train, validation, test = (
        splits[name].frame.with_columns(part=pl.lit(name)) for name in ("train", "validation", "test")
    )
    both = pl.concat([train, validation])
    repeated = pl.concat([test, validation]).filter(pl.col("id").is_in(_set(train, "id")))
    repeated = pl.concat([repeated, test.filter(pl.col("id").is_in(_set(validation, "id")))])
    leaks = {
        "ids_in_two_splits": repeated,
        "test_in_training": test.filter(pl.col("text").is_in(_set(both, "text"))),
        "validation_in_training": validation.filter(pl.col("text").is_in(_set(train, "text"))),
    }
    if task.answer == "label":
        known = _set(train, "target")
        leaks["unknown_labels"] = pl.concat([validation, test]).filter(~pl.col("target").is_in(known))
    metrics: Metrics = {name: len(rows) for name, rows in leaks.items()}
    places = {name: _parts(rows) for name, rows in leaks.items()}
    near = near_duplicates(test["text"].to_list(), both["text"].to_list())
    seen = test.filter(pl.col("first").is_in(_set(corpus.frame.filter(pl.col("split") == "train"), "text")))
    for name, numbers in (("near_duplicate_share", near), ("test_in_corpus_share", _positions(test, seen))):
        metrics[name] = len(numbers) / max(1, len(test))
        places[name] = _parts(test[numbers])
    return metrics, places


def near_duplicates(texts: Sequence[str], others: Iterable[str]) -> list[int]:
    """Positions of the texts that are nearly one of the others: estimated Jaccard of word triples of at least 0.8."""
    import zlib

    from datasketch import MinHash, MinHashLSH

    def signatures(found: Iterable[str]) -> list[Any]:
        return list(MinHash.bulk([_shingles(t) for t in found], num_perm=PERMUTATIONS, seed=1, hashfunc=zlib.crc32))

    known = signatures(sorted(set(others)))
    index = MinHashLSH(threshold=NEAR, num_perm=PERMUTATIONS)
    for number, signature in enumerate(known):
        index.insert(number, signature)
    return [
        number
        for number, signature in enumerate(signatures(texts))
        if any(signature.jaccard(known[other]) >= NEAR for other in index.query(signature))
    ]


def plain(text: str) -> str:
    """A text without what hides a copy: case, width, white space and invisible characters."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    if not folded.isascii():
        folded = "".join(c for c in folded if unicodedata.category(c) != "Cf")
    return " ".join(folded.split())


def _facts(number: int, row: Mapping[str, Any], texts: Sequence[str], target: str | None) -> dict[str, Any]:
    found = [plain(row[column]) for column in texts]
    answer = row[target] if target else None
    return {
        "line": number,
        "id": row["id"],
        "first": found[0],
        "text": "\n".join(found),
        "longest": max(len(row[column]) for column in texts),
        "empty": not all(found) or (answer is not None and not plain(answer)),
        "target": answer,
        "split": row.get("split", "train"),
    }


def _file_metrics(table: Table) -> tuple[Metrics, Places]:
    import polars as pl

    frame = table.frame
    again = frame.filter(~pl.col("id").is_first_distinct())
    empty = frame.filter("empty")
    copied = frame.filter(~pl.struct("text", "target").is_first_distinct())
    metrics: Metrics = {
        "malformed_lines": len(table.bad),
        "rows": len(frame),
        "repeated_ids": len(again),
        "empty_texts": len(empty),
        "longest_text": int(frame["longest"].max() or 0),  # type: ignore[arg-type]
        "copies_share": len(copied) / max(1, len(frame)),
    }
    longest = frame.sort("longest", descending=True).head(1)
    offenders = {"repeated_ids": again, "empty_texts": empty, "longest_text": longest, "copies_share": copied}
    return metrics, {"malformed_lines": table.bad[:3]} | {name: _lines(rows) for name, rows in offenders.items()}


def _lines(rows: pl.DataFrame) -> list[str]:
    return [f"line {line} (id {found})" for line, found in rows.select("line", "id").head(3).rows()]


def _parts(rows: pl.DataFrame) -> list[str]:
    return [f"{part}.jsonl line {line} (id {found})" for part, line, found in rows["part", "line", "id"].head(3).rows()]


def _set(rows: pl.DataFrame, column: str) -> Any:
    return rows[column].unique().implode()


def _positions(rows: pl.DataFrame, some: pl.DataFrame) -> list[int]:
    chosen = set(some["line"])
    return [number for number, line in enumerate(rows["line"]) if line in chosen]


def _shingles(text: str) -> set[bytes]:
    words = re.findall(WORD, text)
    return {" ".join(words[i : i + SHINGLE]).encode() for i in range(max(1, len(words) - SHINGLE + 1))}


_SCHEMA = {
    "line": int,
    "id": str,
    "first": str,
    "text": str,
    "longest": int,
    "empty": bool,
    "target": str,
    "split": str,
}
