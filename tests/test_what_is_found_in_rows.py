"""Each check finds what it is for, in any format, and nothing else: built rows, one fault at a time."""

import json
import random
from datetime import UTC, datetime

import pytest

from pipelines import spill
from pipelines.check_files import read_set
from pipelines.facts import View
from pipelines.findings import Result
from pipelines.formats import FORMATS
from pipelines.judgement import pair_subject, set_subject
from pipelines.limits import Limits
from pipelines.outputs import Outputs
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


def test_sound_rows_are_within_every_bound(found):
    assert found(with_fault({})) == {}


NOTHING = [
    "",
    " ",
    "\t\n",
    "\u3000",
    "\u200b",
    "\u200b \u3000\ufeff",
    "\u00a0",
    "\u2060",
    "\u3164",
    "\u2800",
    "\u0301",
    "\x85\u2028",
]


@pytest.mark.parametrize("nothing", NOTHING, ids=ascii)
def test_a_text_of_which_nothing_can_be_seen_is_empty(found, nothing):
    assert found(with_fault({"text": nothing})) == {"empty_texts": ("quarantine", [3])}


@pytest.mark.parametrize("something", [".", "?!", "0", "好", "\U0001f600", "\u200b1"], ids=ascii)
def test_a_text_of_which_something_can_be_seen_is_not_empty(found, something):
    assert found(with_fault({"text": something})) == {}


def test_more_rows_set_aside_than_allowed_refuse_the_set(found):
    aside = found(with_fault({"text": " "}, at=range(1, 10)))
    assert aside["empty_texts"][0] == "reject"
    mixed = [*with_fault({"text": " "}, at=(1, 2, 3)), *(row(n, timestamp="tomorrow") for n in range(40, 43))]
    assert found(mixed)["set_aside"][0] == "reject", "three of 43 each, but six of 43 together"


def test_texts_have_bounds(found):
    limits = Limits(shortest_text=3, longest_text=300)
    rows = [*with_fault({"text": "ab"}), row(40, text="x" * 301)]
    assert found(rows, limits=limits) == {"short_texts": ("quarantine", [3]), "long_texts": ("quarantine", [41])}


GOOD_TIMES = ["2018-03-15", "2018-03-15T09:30:00+08:00", "2018-03-15 09:30", "2018-03-15T09:30:59.123Z", "2026-11-24"]
BAD_TIMES = [
    "03/15/2018",
    "15.03.2018",
    "20180315",
    "1521072000",
    "yesterday",
    "0000-00-00",
    "2018-02-30",
    "2018-13-01",
]
BAD_TIMES += [
    "2087-01-01",
    "1066-10-14",
    "2018-03-15T25:00",
    "2018-03-15T09:61",
    "2018-3-5",
    "2018-03-15T",
    "",
    " 2018-03-15",
]
BAD_TIMES += ["2026-11-26", "1987-03-31T605:12:19", "2018-03-15T09:30:61", None]


@pytest.mark.parametrize("time", GOOD_TIMES)
def test_dates_and_times_of_iso_8601_are_right(found, time):
    assert found(with_fault({"timestamp": time}, at=range(1, 41))) == {}


@pytest.mark.parametrize("time", BAD_TIMES)
def test_other_forms_impossible_dates_and_the_future_are_set_aside_and_not_guessed(found, time):
    assert found(with_fault({"timestamp": time})) == {"timestamps": ("quarantine", [3])}


def test_unix_seconds_are_for_interactions_and_milliseconds_are_none(found):
    rows = [interaction(n) for n in range(40)]
    assert found(rows, "recommendation") == {}
    rows[5] = interaction(5, timestamp=828212412000)
    assert found(rows, "recommendation")["timestamps"] == ("quarantine", [6])


def interaction(n, **more):
    base = {"id": f"i{n}", "user_id": f"u{n % 4}", "item_id": f"m{n}", "title": text(n), "text": "Crime", "rating": 4}
    return base | {"label": n % 2, "timestamp": 828212412 + n} | more


def test_interactions_out_of_order_and_items_never_trained_on_are_doubtful(found, tally):
    rows = [interaction(n) for n in range(40)]
    rows[20]["timestamp"] = 828212400
    assert found(rows, "recommendation")["unordered"] == ("warn", [21])
    train = tally([interaction(n) for n in range(40)], "recommendation")
    test = tally(
        [interaction(n, id=f"t{n}", user_id="new") for n in range(35, 45)], "recommendation", role="evaluation"
    )
    assert unmet(pair_subject("both", test, train)) == {"cold_items": ("warn", [6, 7, 8, 9, 10])}
    again = tally([interaction(n, id=f"t{n}") for n in range(30, 40)], "recommendation", role="evaluation")
    assert unmet(pair_subject("both", again, train))["leakage"] == ("reject", list(range(1, 11)))


def dialog(n, *turns):
    return {"id": f"d{n}", "lang": "en", "messages": [{"role": r, "content": c} for r, c in turns]}


def good_dialog(n):
    return dialog(n, ("user", text(n)), ("assistant", text(n, 5)))


@pytest.mark.parametrize(
    ("turns", "check"),
    [
        ([("assistant", "Hi")], "turn_order"),
        ([("user", "a"), ("user", "b")], "turn_order"),
        ([("user", "a"), ("system", "b")], "turn_order"),
        ([("user", "a"), ("bot", "b")], "turn_order"),
        ([("user", "a"), ("assistant", " ")], "empty_turns"),
        ([("user", "\u3000")], "empty_texts"),
        ([], "empty_texts"),
    ],
)
def test_dialogs_out_of_turn_and_empty_ones_are_set_aside(found, turns, check):
    rows = [good_dialog(n) for n in range(40)]
    rows[4] = dialog(4, *turns)
    assert found(rows, "dialog") == {check: ("quarantine", [5])}


def test_a_dialog_may_begin_with_the_system_and_end_with_the_user(found):
    rows = [good_dialog(n) for n in range(40)]
    rows[4] = dialog(4, ("system", "Be brief"), ("user", text(90)), ("assistant", "Yes"), ("user", "Good"))
    assert found(rows, "dialog") == {}


def test_few_bad_characters_stay_and_many_are_set_aside(found):
    assert found(with_fault({"text": "a\x08b" + text(90)}, count=300)) == {}
    assert found(with_fault({"text": "a\u0000b"}, count=100)) == {"control_characters": ("quarantine", [3])}
    assert found(with_fault({"text": "a\ufffdb"}, count=300)) == {"replacement_characters": ("warn", [3])}
    assert found(with_fault({"text": "a\ufffdb"}, count=100)) == {"replacement_characters": ("quarantine", [3])}


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
@pytest.mark.parametrize("garbled", ["Das Gerät", "don\u2019t \u201cstop\u201d", "Ceci est élevé à 5 €"])
def test_text_read_in_the_wrong_encoding_is_doubtful(found, garbled, encoding):
    try:
        wrong = garbled.encode().decode(encoding)
    except UnicodeDecodeError:
        pytest.skip(f"{encoding} has no such characters")
    assert found(with_fault({"text": f"{wrong} {text(90)}"})) == {"mojibake": ("warn", [3])}
    assert found(with_fault({"text": f"{garbled} {text(90)}", "lang": "de"})) == {}


def test_texts_in_another_script_than_their_language_are_doubtful(found):
    rows = [row(n, text=f"房间{n}很大{n}", lang="zh-Hant") for n in range(20)]
    assert found(rows) == {}
    assert found(rows, lang="en")["other_script"][0] == "warn"
    rows[4:6] = [row(n, text=text(n, 3), lang="zh") for n in (4, 5)]
    assert found(rows) == {"other_script": ("warn", [5, 6])}
    pairs = [
        {"id": f"t{n}", "source": text(n), "target": f"房间{n}", "source_lang": "en", "target_lang": "zh"}
        for n in range(20)
    ]
    assert found(pairs, "translation") == {}
    pairs[2:4] = [pair | {"target": pair["source"]} for pair in pairs[2:4]]
    assert found(pairs, "translation") == {"other_script": ("warn", [3, 4])}


def test_ids_are_unique_over_all_files_of_a_set_and_their_case_counts(tally):
    one, two = [row(n) for n in range(20)], [row(n) for n in range(20, 40)]
    two[3]["id"], two[4]["id"] = "r7", "R8"
    subject = set_subject("rows", tally([one, two]))
    assert unmet(subject) == {"repeated_ids": ("reject", [4])}
    assert subject.measures["repeated_ids"].places[0].file == "1.jsonl"


def test_labels_outside_the_set_and_a_single_one(found):
    rows = with_fault({"label": "A"})
    assert found(rows, labels=("a", "b", "A")) == {}
    assert found(rows, labels=("a", "b")) == {"unknown_labels": ("reject", [3])}
    one = [row(n, label="a") for n in range(40)]
    assert found(one)["single_class"][0] == "reject"
    assert found(one, role="part")["single_class"][0] == "warn", "what came in today may be of one class"


def test_copies_contradictions_and_rare_labels_are_doubtful(found):
    rows = [row(n) for n in range(300)]
    rows[10:14] = [row(n, text=f" {text(n - 10).upper()}\u3000", label="ab"[n % 2]) for n in range(10, 14)]
    assert found(rows)["copies"] == ("warn", [11, 12, 13, 14])
    rows = [row(n) for n in range(300)]
    rows[10:14] = [row(n, text=text(n - 10), label="ba"[n % 2]) for n in range(10, 14)]
    assert found(rows)["contradictions"] == ("warn", [1, 2, 3, 4])
    assert found([row(n, label="rare" if n == 5 else "ab"[n % 2]) for n in range(300)]) == {
        "rarest_label": ("warn", [])
    }


def test_texts_that_end_alike_are_boilerplate(found):
    notice = " all rights reserved by the owners of this site and nobody else"
    rows = [row(n, text=text(n, 40) + (notice if n < 30 else "")) for n in range(100)]
    assert found(rows) == {"boilerplate": ("warn", list(range(1, 31)))}


def test_a_licence_is_needed_where_the_recipe_says_so(found):
    rows = [row(n, licence="CC-BY-4.0") for n in range(40)]
    rows[2]["licence"], rows[3]["licence"] = " ", None
    assert found(rows) == {}
    assert found(rows, limits=Limits(licence=True)) == {"licence": ("reject", [3, 4])}


@pytest.mark.parametrize(
    ("form", "make"),
    [
        ("classification", row),
        ("summarisation", lambda n: {"id": f"s{n}", "document": text(n), "summary": text(-n, 3), "lang": "en"}),
        ("generation", lambda n: {"id": f"g{n}", "prompt": text(n), "completion": text(-n), "lang": "en"}),
        ("faq", lambda n: {"id": f"f{n}", "question": text(n), "answer": text(-n), "lang": "en"}),
        ("rewriting", lambda n: {"id": f"w{n}", "source": text(n), "target": text(-n), "lang": "en"}),
        ("dialog", good_dialog),
        ("bias_pairs", lambda n: {"id": f"b{n}", "more": text(n), "less": text(-n), "category": "x", "lang": "en"}),
    ],
)
def test_an_evaluation_text_that_training_shows_is_a_leak_in_capitals_and_padded_too(tally, form, make):
    def disguised(value):
        if isinstance(value, list):
            return [disguised(item) for item in value]
        if isinstance(value, dict):
            return {k: v if k == "role" else disguised(v) for k, v in value.items()}
        return f"  {value.upper()}\u200b "

    train = tally([make(n) for n in range(40)], form)
    rows = [make(n) | {"id": f"test-{n}"} for n in range(100, 120)]
    clean = tally(rows, form, role="evaluation")
    assert unmet(pair_subject("both", clean, train)) == {}
    stolen = {k: v if k in {"lang", "label", "category"} else disguised(v) for k, v in make(7).items()}
    leak = tally([*rows, stolen | {"id": "stolen"}], form, role="evaluation")
    assert unmet(pair_subject("both", leak, train)) == {"leakage": ("reject", [21]), "near_leakage": ("warn", [21])}


def test_what_goes_to_disk_is_found_again_as_what_stays_in_memory(found, monkeypatch):
    rows = [row(n % 250, text=text(n % 271), label="abc"[n % 3]) for n in range(300)]
    held = found(rows)
    assert {"repeated_ids", "contradictions"} <= set(held)
    monkeypatch.setattr(spill, "HELD", 2_000)
    monkeypatch.setattr("pipelines.text_lines.BLOCK", 3_000)
    assert found(rows) == held


def test_rows_of_a_check_with_a_limit_are_set_aside_only_beyond_it(tally, tmp_path):
    def written(rows, name):
        outputs = Outputs(tmp_path / name)
        some = tally(rows, outputs=outputs)
        result = Result(verdict="warn", rows=len(rows), accepted=0, quarantined=0, findings=())
        outputs.finish(result, {"training": some.tolerated})
        files = [(tmp_path / name / f"{kind}.jsonl").read_text().splitlines() for kind in ("accepted", "quarantined")]
        return [[json.loads(line) for line in file] for file in files]

    few = with_fault({"text": "a\x08b"}, count=300)
    assert written(few, "few") == [few, []]
    many = with_fault({"text": "a\x08b"}, at=(3, 5), count=100)
    many[7]["text"] = ""
    accepted, aside = written(many, "many")
    assert accepted == [r for n, r in enumerate(many, 1) if n not in {3, 5, 8}]
    assert sorted((r["line"], r["checks"], r["row"]["id"]) for r in aside) == [
        (3, ["control_characters"], "r2"),
        (5, ["control_characters"], "r4"),
        (8, ["empty_texts"], "r7"),
    ]


def test_every_format_has_an_example_that_is_of_it():
    for form in FORMATS.values():
        example = form.model_json_schema()["examples"][0]
        form.model_validate(example)


def test_rows_beyond_those_looked_at_for_near_copies_are_counted_and_said(found):
    rows = [row(n) for n in range(40)]
    assert found(rows, limits=Limits(near_rows=40)) == {}
    assert found(rows, limits=Limits(near_rows=30)) == {"near_unread": ("warn", [])}
    assert found(rows, limits=Limits(near_rows=30, near_duplicates=False)) == {}
