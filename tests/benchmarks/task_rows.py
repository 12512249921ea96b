"""The rows that tests/benchmarks/tasks.py trains, validates and tests a set with: its splits, cut to their sizes."""

from __future__ import annotations

import hashlib
import itertools
import runpy
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from models.tasks import TASKS
from models.tasks.dialog import question, unanswered
from tests.benchmarks.task_sets import Set

Row = dict[str, Any]
Split = Callable[[list[Row]], tuple[list[Row], list[Row], list[Row]]]
SPLITS = ("train", "validation", "test")


def splits_of(one: Set, data: Path) -> dict[str, list[Row]]:
    """Rows by split, in the order of the set's own split."""
    module = runpy.run_path(str(data / "splits.py"))
    split: Split = module["split"]
    rows = module["load"](data / f"{one.file}.jsonl.gz")
    if one.task == "pair_classification" and one.file.startswith("faq_"):
        parts = tuple(map(question_pairs, by_subject(rows, split)))
    elif one.task == "multi_label":
        parts = split(list(map(attributes, rows)))
    else:
        parts = split([row for row in rows if is_example(one, row)])
    if one.few:
        parts = (*(few(rows, one.few) for rows in parts[:2]), parts[2])
    most = (one.most, one.test, one.test)
    cut = {name: rows[:n] for name, rows, n in zip(SPLITS, parts, most, strict=True)}
    return looked_up(cut) if one.looked_up else cut


def is_example(one: Set, row: Row) -> bool:
    """Whether a row is one of the task; a dialog that its user ends is none."""
    example = TASKS[one.task].example
    try:
        return example is None or bool(example(row))
    except ValueError:
        return False


def looked_up(splits: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """Dialogs with the three replies of training rows that BM25 ranks first for their question.

    Never the reply of the row itself, unless another training row has the same: a test row's own is not among them
    either, and what is learned has to hold there.
    """
    from models.keywords import bm25
    from models.ranking import best

    replies = Counter(_reply(row) for row in splits["train"])
    pool = list(replies)
    scores = bm25(pool)

    def context(row: Row, split: str) -> list[str]:
        (found,) = scores(question(unanswered(row)))
        ranked = (pool[place] for place in best(found, 4))
        is_own = split == "train" and replies[_reply(row)] == 1
        return [text for text in ranked if not (is_own and text == _reply(row))][:3]

    return {name: [row | {"context": context(row, name)} for row in rows] for name, rows in splits.items()}


def _reply(row: Row) -> str:
    return str(row["messages"][-1]["content"])


def attributes(row: Row) -> Row:
    """An advertisement's text, and as its labels the style and the patterns of what it is for."""
    named = dict.fromkeys(part for part in row["prompt"].split("*") if part.startswith(("风格#", "图案#")))
    return {"id": row["id"], "text": row["completion"], "labels": list(named), "lang": row["lang"]}


def few(rows: Iterable[Row], size: int) -> list[Row]:
    """The first so many rows of each label."""
    counts = Counter[str]()
    found = []
    for row in rows:
        counts[row["label"]] += 1
        found += [row] if counts[row["label"]] <= size else []
    return found


def by_subject(rows: Iterable[Row], split: Split) -> tuple[list[list[Row]], ...]:
    """The rows of each subject (`focus`), a question once, with all of one subject in one split."""
    subjects: dict[str, dict[str, Row]] = defaultdict(dict)
    known: set[str] = set()
    for row in rows:
        question = row["question"].casefold()
        if question not in known:
            known.add(question)
            subjects[row["focus"]][question] = row
    parts = split([{"id": subject} for subject in subjects])
    return tuple([list(subjects[row["id"]].values()) for row in part] for part in parts)


def question_pairs(subjects: Iterable[Sequence[Row]]) -> list[Row]:
    """Each question with its own answer, or by the toss of its hash with the next answer about the same subject.

    So a name or a word that both share says little: what is asked has to be what is told. Which answer it is says
    nothing by itself, for each may stand with its own question and with another. A subject of which one answer is known
    is left out.
    """
    rows = (pair for of_subject in subjects for pair in _pairs(sorted(of_subject, key=_hash)))
    return sorted(rows, key=lambda row: hashlib.sha1(row["id"].encode()).hexdigest())


def _pairs(rows: Sequence[Row]) -> Iterable[Row]:
    if len({row["answer"] for row in rows}) < len(rows) or len(rows) < 2:
        return
    for row, other in zip(rows, itertools.chain(rows[1:], rows[:1]), strict=True):
        own = int(_hash(row), 16) % 2
        answer = row if own else other
        label = "answers" if own else "answers another"
        yield {"id": row["id"], "text_a": row["question"], "text_b": answer["answer"], "label": label, "lang": "en"}


def _hash(row: Row) -> str:
    return hashlib.sha1(f"pair/{row['id']}".encode()).hexdigest()
