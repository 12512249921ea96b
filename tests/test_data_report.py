"""A data report tells what came, what is wrong and what moved; it loads nothing, obeys no text, shows nobody's data."""

import json
import re
from html.parser import HTMLParser

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.data_summary import Summary, length_step, shortest
from pipelines.drift import drift, shift
from pipelines.errors import Refused
from tests.versioned_data import write

PERSON = "jo.bloggs@example.com"


def row(number, **other):
    text = f"Room {number} was clean, and breakfast was served until ten o'clock in the garden of house {number % 7}."
    return {"id": f"r{number}", "text": text, "label": ("bad", "good")[number % 2], "lang": "en"} | other


@pytest.fixture
def report(tmp_path, monkeypatch):
    """Validate rows with a report; the page, and what the command said."""
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SCRIPTORIUM_DATA", str(tmp_path / "data"))

    def run(rows, *options, name="came.jsonl"):
        file, page = write(tmp_path / name, rows), tmp_path / f"{name}.html"
        order = ["validate", str(file), "--task", "classification", "--report", str(page), *map(str, options)]
        done = CliRunner().invoke(app, order)
        return (page.read_text() if page.exists() else None), done

    return run


class Page(HTMLParser):
    """Collects open tags, what a tag would load, and the names of tags."""

    def __init__(self, text):
        super().__init__()
        self.open, self.loaded, self.names, self.said = [], [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.loaded += [value for name, value in attrs if name in {"src", "href", "srcset", "data", "xlink:href"}]
        self.loaded += [value for name, value in attrs if name.startswith("on")]
        if tag not in {"meta", "br", "line", "circle", "polyline"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in {"line", "circle", "polyline"}:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.said.append(data)


def said(page):
    return " ".join(" ".join(Page(page).said).replace("\u2009", " ").split())


def told(page):
    """What a page says but for when, and what it compares with."""
    return re.sub(r"\(those of [^)]*\)", "", said(page).partition(" UTC ")[2])


@pytest.mark.slow
def test_the_page_loads_nothing_and_runs_nothing(report):
    page, _ = report([row(n, timestamp=f"2026-0{n % 9 + 1}-01") for n in range(60)])
    found = Page(page)
    assert found.open == [], "every tag is closed"
    assert found.loaded == []
    assert not re.search(r"url\(|@import|https?://", page)
    assert found.names.isdisjoint({"script", "link", "img", "iframe", "object", "form"})


def test_hostile_text_is_no_markup(report):
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    page, _ = report([row(n, text=f"{evil} {n}", label=f"{evil}{n % 2}", topic=evil) for n in range(30)])
    assert "&lt;script&gt;alert(1)" in page
    assert Page(page).names.isdisjoint({"script", "img"})


def test_the_verdict_is_a_sentence_and_every_finding_has_its_places_and_cure(report):
    rows = [row(n) for n in range(60)]
    rows[7]["text"], rows[30]["text"] = " ", "\u200b"
    page, done = report(rows)
    assert done.exit_code == 20
    assert "Accepted in part: 2 of 60 rows are set aside for a person to decide" in said(page)
    assert re.search(r"rows set aside empty_texts .* line 8, 31 Cure: ", said(page))


def test_the_worst_comes_first_and_a_refused_file_says_why(report, tmp_path):
    page, done = report([*(row(n, label="good") for n in range(30)), {"id": "late"}])
    assert done.exit_code == 10
    text = said(page)
    assert "Refused: nothing of it may be used until it is mended (missing_fields" in text
    assert text.index("refused for it") < text.index("warning")
    (tmp_path / "cut.jsonl.gz").write_bytes(b"\x1f\x8b\x08\x00")
    page = tmp_path / "cut.html"
    order = ["validate", str(tmp_path / "cut.jsonl.gz"), "--task", "classification", "--report", str(page)]
    assert CliRunner().invoke(app, order).exit_code == 10
    assert "1 could not be read" in said(page.read_text())


def test_personal_data_is_not_shown_wherever_it_stands(report, tmp_path):
    rows = [row(n, topic=f"about {PERSON}", label=("good", f"ask {PERSON}")[n % 2]) for n in range(20)]
    rows += [row(n, text=f"Write to {PERSON}, or call 13912345678, and ask for room {n}.") for n in range(20, 40)]
    page, _ = report(rows)
    for secret in (PERSON, "jo.bloggs", "bloggs", "13912345678"):
        assert secret not in page
    assert "(personal data)" in page


def test_at_most_five_rows_of_a_file_are_shown_and_eighty_characters_of_each(report):
    page, _ = report([row(n, text=f"Rare{n} " + "word " * 60) for n in range(30)])
    shown = re.findall(r"<td>(Rare[^<]*)</td>", page)
    assert len(shown) == 5
    assert all(len(text) <= 80 for text in shown)
    again, _ = report([row(n, text=f"Rare{n} " + "word " * 60) for n in range(30)])
    assert re.findall(r"<td>(Rare[^<]*)</td>", again) == shown


def test_what_moved_since_the_file_before_is_told(report, tmp_path):
    before = write(tmp_path / "before.jsonl", [row(n) for n in range(300)])
    rows = [row(n, label=("good", "bad")[n % 10 == 0]) for n in range(300)]
    for late in rows[100:]:
        late["text"] = late["text"].replace("breakfast", "brunch and a swimming lesson, and then tea,")
    page, done = report(rows, "--against", before)
    assert done.exit_code == 0, done.output
    text = said(page)
    assert "300 rows were there, 300 are compared with them (those of" in text
    assert "Clearly moved:" in text
    assert re.search(r"label 40\.0 % [\d.]+ % moved (good|bad) ", text)
    assert re.search(r"language 0\.0 % 0\.0 % as before", text)
    assert re.search(r"New words .* swimming 0\.0 % → 66\.7 %", text)
    assert re.search(r"Words in fewer rows .* breakfast 100\.0 % → 33\.3 %", text)


def test_a_summary_stands_for_the_file_that_it_was_made_of(report, tmp_path):
    old = [row(n) for n in range(200)]
    report(old, name="old.jsonl")
    rows = [row(n, label="good") for n in range(200)]
    from_summary, _ = report(rows, "--against", tmp_path / "old.jsonl.summary.json")
    from_file, _ = report(rows, "--against", tmp_path / "old.jsonl")
    assert told(from_summary) == told(from_file)
    assert "label" in json.loads((tmp_path / "old.jsonl.summary.json").read_text())["counts"]


def test_mistakes_with_against_are_answered(report, tmp_path):
    (tmp_path / "no.summary.json").write_text("{}")
    for wrong, answer in ((tmp_path / "none.jsonl", "not there"), (tmp_path / "no.summary.json", "no summary")):
        _, done = report([row(n) for n in range(20)], "--against", wrong)
        assert isinstance(done.exception, Refused)
        assert answer in str(done.exception)


def test_two_halves_of_one_source_have_not_moved():
    even = {"a": 480, "b": 520}
    assert not shift("label", even, {"a": 505, "b": 495}).clear
    assert shift("label", even, {"a": 700, "b": 300}).clear
    assert shift("label", even, even).distance == 0
    assert shift("label", {"a": 5}, {"b": 9}).distance == 1


def test_summaries_add_up():
    one = Summary(format="faq", rows=2, counts={"topic": {"x": 2}}, lengths={"text": {4: 2}}, words={"tea": 1})
    two = Summary(format="faq", rows=3, counts={"topic": {"x": 1, "y": 2}}, lengths={"text": {4: 3}}, words={"tea": 3})
    both = one.plus(two)
    assert (both.rows, both.counts["topic"], both.lengths["text"]) == (5, {"x": 3, "y": 2}, {4: 5})
    assert both.words == {"tea": 4}
    assert drift(both, both).words.new == ()


@pytest.mark.parametrize("length", [1, 2, 3, 10, 63, 64, 65, 199_999])
def test_a_length_lies_within_its_step(length):
    step = length_step(length)
    assert shortest(step) <= length + 1e-6 < shortest(step + 1) + 1e-6
