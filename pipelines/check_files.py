"""Checking files of rows: what they hold, what is wrong with it, where, and what may be used."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.containers import Unreadable
from pipelines.expectations import Check, judge
from pipelines.facts import BEYOND_A_LIMIT, View
from pipelines.findings import ORDER, Finding, Result, verdict_of
from pipelines.formats import FORMATS
from pipelines.limits import Limits
from pipelines.measure import Measure
from pipelines.outputs import Outputs
from pipelines.reading import read_blocks
from pipelines.reading_progress import Reading
from pipelines.sources import Source, expanded
from pipelines.suites import leak_checks, set_checks
from pipelines.tally import Tally
from pipelines.whole_set import leak_measures, set_measures


@dataclass(frozen=True)
class Judged:
    """A set, or a pair of sets: its measures, its checks, and what Great Expectations said of them."""

    name: str
    measures: Mapping[str, Measure]
    checks: Sequence[Check]
    results: Sequence[Mapping[str, Any]]


def check_files(
    files: Sequence[Path],
    form: str,
    limits: Limits,
    *,
    train: Sequence[Path] = (),
    test: Sequence[Path] = (),
    labels: Sequence[str] | None = None,
    lang: str | None = None,
    out: Path | None = None,
    now: datetime | None = None,
    say: Callable[[str], None],
) -> Result:
    """Check files, and test files against training files; all are rows of one format.

    Writes accepted.jsonl, quarantined.jsonl and validation.json below `out`; after a refusal, only the last.
    `lang` stands for the language of every row, `now` (default: the time of the call) is what timestamps may not be
    after. Raises Refused for a file that is missing.
    """
    view = View(FORMATS[form], limits, lang, now or datetime.now(UTC))
    outputs = Outputs(out) if out else None
    with tempfile.TemporaryDirectory(prefix="scriptorium-", dir=out) as scratch:
        tallies = {}
        for name, paths in (("files", files), ("train", train), ("test", test)):
            if paths:
                folder = Path(scratch) / name
                folder.mkdir()
                tallies[name] = read_set(paths, view, folder, labels, outputs, say, evaluation=name == "test")
        judged = list(_judged(tallies, view, labels))
    result = result_of(tallies, judged)
    if outputs:
        outputs.finish(result, tolerated(tallies, limits))
    return result
