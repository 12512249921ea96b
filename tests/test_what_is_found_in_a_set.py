"""What only the whole of a set can tell is found: repeated ids, copies, labels, leaks, and shares beyond a limit."""

import json
import tracemalloc

import pytest

from pipelines import spill
from pipelines.blocks import LINE, RAW
from pipelines.facts import SET_ASIDE
from pipelines.findings import Result
from pipelines.formats import FORMATS
from pipelines.judgement import pair_subject, set_subject
from pipelines.limits import Limits
from pipelines.outputs import Outputs
from pipelines.suites import corpus_checks, leak_checks
from tests.sets_of_rows import found, good_dialog, row, tally, text, unmet, with_fault

__all__ = ["found", "tally"]


def test_more_rows_set_aside_than_allowed_refuse_the_set(found):
    aside = found(with_fault({"text": " "}, at=range(1, 10)))
    assert aside["empty_texts"][0] == "reject"
    mixed = [*with_fault({"text": " "}, at=(1, 2, 3)), *(row(n, timestamp="tomorrow") for n in range(40, 43))]
    assert found(mixed)["set_aside"][0] == "reject", "three of 43 each, but six of 43 together"


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


@pytest.mark.parametrize(("rows", "expected"), [(1, {"rarest_label": ("warn", [])}), (2, {})])
def test_a_label_among_several_of_a_row_is_rare_by_the_rows_that_have_it(found, rows, expected):
    labels = [["a", "b", "c", "d"] + ["rare"] * (n < rows) for n in range(300)]
    assert found([row(n, labels=labels[n]) for n in range(300)], "multi_label") == expected


def test_texts_that_end_alike_are_boilerplate(found):
    notice = " all rights reserved by the owners of this site and nobody else"
    rows = [row(n, text=text(n, 40) + (notice if n < 30 else "")) for n in range(100)]
    assert found(rows) == {"boilerplate": ("warn", list(range(1, 31)))}


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
    found = unmet(pair_subject("both", leak, train))
    assert found.pop("answer_leakage", None) == (("warn", [21]) if form in {"generation", "rewriting"} else None)
    assert found == {"leakage": ("reject", [21]), "near_leakage": ("warn", [21])}


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


def test_rows_that_a_limit_is_still_to_decide_about_take_no_memory(tmp_path):
    import polars as pl

    checks = dict.fromkeys(SET_ASIDE, False) | {"control_characters": True}
    outputs = Outputs(tmp_path)
    tracemalloc.start()
    try:
        for first in range(1, 50_000, 1_000):
            facts = {LINE: range(first, first + 1_000), RAW: [json.dumps(row(first))] * 1_000}
            outputs.add("training", "a.jsonl", pl.DataFrame(facts).with_columns(**checks))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    outputs.finish(Result(verdict="reject", rows=50_000, accepted=0, quarantined=0, findings=()), {})
    assert kept < 2_000_000
    assert [path.name for path in tmp_path.iterdir()] == ["validation.json"]


def test_rows_beyond_those_looked_at_for_near_copies_are_counted_and_said(found):
    rows = [row(n) for n in range(40)]
    assert found(rows, limits=Limits(near_rows=40)) == {}
    assert found(rows, limits=Limits(near_rows=30)) == {"near_unread": ("warn", [])}
    assert found(rows, limits=Limits(near_rows=30, near_duplicates=False)) == {}


def test_whatever_keeps_rows_out_names_the_key_that_sets_its_limit(tally):
    limits = Limits(licence=True)
    of_set = set_subject("x", tally([row(n) for n in range(4)], limits=limits)).checks
    checks = [*of_set, *leak_checks(FORMATS["classification"], limits)]
    checks += corpus_checks(FORMATS["generation"], limits)
    cures = " ".join(check.cure for check in checks if check.severity != "warn")
    keys = [
        name for name, field in Limits.model_fields.items() if (field.description or "").startswith(("Refuse", "Set"))
    ]
    assert len(keys) == 18
    assert [key for key in keys if key not in cures] == []
