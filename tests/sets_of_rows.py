"""Rows of every format, built in a test, and what is found in a set of them."""

import json
import random
from datetime import UTC, datetime

import pytest

from pipelines.check_files import read_set
from pipelines.facts import View
from pipelines.formats import FORMATS
from pipelines.judgement import set_subject
from pipelines.limits import Limits
from pipelines.sources import Source
from pipelines.tally import Tally
from tests.bounds import beyond_bounds

LIMITS = Limits()
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
WORDS = ["bucket", "queue", "table", "role", "stream", "policy", "cluster", "image", "rule", "topic", "key", "volume"]


def text(seed, words=12):
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def row(number, **more):
    return {"id": f"r{number}", "text": text(number), "label": "ab"[number % 2], "lang": "en"} | more


@pytest.fixture
def tally(tmp_path):
    """Read rows (or files of rows) as a set of a format."""

    def read(rows, form="classification", *, limits=LIMITS, labels=None, lang=None, role="training", outputs=None):
        sets = rows if isinstance(rows[0], list) else [rows]
        folder = tmp_path / f"set-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        found = []
        for number, some in enumerate(sets):
            path = folder / f"{number}.jsonl"
            path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in some))
            found.append(Source(path.name, path))
        tally = Tally(View(FORMATS[form], limits, lang, NOW), [s.name for s in found], folder, labels, role)
        read_set(tally, found, print, outputs)
        return tally

    return read


def unmet(subject):
    """{check: lines} of what is beyond its bounds, with the severity that counts."""
    found = {}
    for check in beyond_bounds(subject):
        found[check.name] = (check.severity, [place.line for place in subject.measures[check.name].places])
    return found


@pytest.fixture
def found(tally):
    return lambda rows, form="classification", **more: unmet(set_subject("rows", tally(rows, form, **more)))


def with_fault(change, at=(3,), count=40):
    return [row(n, **(change if n + 1 in at else {})) for n in range(count)]


def dialog(n, *turns):
    return {"id": f"d{n}", "lang": "en", "messages": [{"role": r, "content": c} for r, c in turns]}


def good_dialog(n):
    return dialog(n, ("user", text(n)), ("assistant", text(n, 5)))
