"""BM25 finds as many answers as was measured by others on the same sets, before any of this was written."""

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from models.keywords import bm25
from models.ranking import Pool, positions
from pipelines.settings import ROOT

DATA = ROOT.parent / "shared" / "data"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is not there: it is not part of the project"),
]


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows by the SHA-1 of their id; the last tenth is the test set."""
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        return sorted(map(json.loads, lines), key=lambda row: hashlib.sha1(row["id"].encode()).hexdigest())


@pytest.mark.parametrize(("name", "recall"), [("faq_en_medquad", 0.210), ("faq_zh_simclue_match", 0.818)])
def test_recall_at_1_on_500_questions(name: str, recall: float):
    rows = rows_of(DATA / f"{name}.jsonl.gz")
    test = [(row["question"], row["answer"]) for row in rows[int(0.9 * len(rows)) :][:500]]
    answers = list(dict.fromkeys(row["answer"] for row in rows))
    # As it was measured: another right answer of the same question counts as a wrong one.
    pool = Pool(answers, {question: [] for question, _ in test})
    ranks = [rank for _, rank in positions(bm25(answers), test, pool)]
    assert sum(rank == 1 for rank in ranks) / len(ranks) == pytest.approx(recall, abs=0.02)
