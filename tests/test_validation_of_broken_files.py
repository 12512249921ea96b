"""Every broken file of shared/data gets the verdict of its expected.json, for the reason given there."""

import gzip
import json

import pytest

from pipelines.check_files import check_files
from pipelines.limits import Limits
from pipelines.settings import ROOT

BROKEN = ROOT.parent / "shared" / "data" / "broken"
pytestmark = pytest.mark.skipif(not BROKEN.is_dir(), reason=f"{BROKEN} is not there: it is not part of the project")

TOPICS = "agriculture car culture edu entertainment finance game house military sports stock story tech travel world"
EVERY_25TH = range(1, 2000, 25)
# The finding that is the reason, how many rows it is about (None: the whole file), and its first lines.
REASONS = {
    "b01_truncated.jsonl.gz": ("container", 1, [None]),
    "b02_gzip_bitflip.jsonl.gz": ("container", 1, [None]),
    "b03_gb18030.jsonl": ("encoding", 2000, [1, 2, 3]),
    "b04_bom_crlf.jsonl": ("crlf", 2000, [None]),
    "b05_duplicate_ids.jsonl.gz": ("repeated_ids", 100, [1001, 1002, 1003]),
    "b06_missing_label.jsonl.gz": ("missing_fields", 2000, [1, 2, 3]),
    "b07_label_outside_set.jsonl.gz": ("unknown_labels", 80, list(EVERY_25TH)),
    "b08_40pct_empty_text.jsonl.gz": ("empty_texts", 800, [4, 8, 14]),
    "b09_leak_{train,test}.jsonl.gz": ("leakage", 300, [1, 3, 4]),
    "b10_pii_1pct.jsonl.gz": ("personal_data", 20, None),
    "b11_nul_bytes.jsonl": ("nul_bytes", 37, [5, 25, 36]),
    "b12_10mb_line.jsonl.gz": ("line_too_long", 1, [51]),
    "b13_nan_infinity.jsonl.gz": ("json", 10, list(range(1, 300, 30))),
    "b14_mixed_types.jsonl.gz": ("types", 47, [1, 6, 8, 11]),
    "b15_zip_bomb.jsonl.gz": ("decompression_bomb", 1, [None]),
    "b16_path_traversal.tar.gz": ("unsafe_archive", 1, [None]),
    "b17_empty.jsonl": ("rows", 0, []),
    "b18_header_only.csv.gz": ("rows", 0, []),
    "b19_single_class.jsonl.gz": ("single_class", 500, []),
    "b20_bad_timestamps.jsonl.gz": ("timestamps", 45, [1, 51, 101]),
    "b21_mojibake.jsonl.gz": ("other_script", 100, [1, 4, 7]),
    "b22_bad_json_lines.jsonl": ("json", 3, [51, 121, 151]),
    "b23_unicode_line_separators_VALID.jsonl": (None, 0, []),
}


def cases():
    path = BROKEN / "expected.json"
    return json.loads(path.read_text()) if path.is_file() else []


def check(name, out=None):
    """Check a case as somebody would who knows what it is: a pair, labels that are known, a set to train on."""
    given = {"files": [BROKEN / name]}
    if name.startswith("b09"):
        given = {side: [BROKEN / f"b09_leak_{side}.jsonl.gz"] for side in ("train", "test")} | {"files": []}
    if name.startswith("b07"):
        given["labels"] = [f"news_{topic}" for topic in TOPICS.split()]
    if name.startswith("b19"):
        given = {"files": [], "train": given["files"]}
    return check_files(form="classification", limits=Limits(), out=out, say=print, **given)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["file"])
def test_a_broken_file_gets_its_verdict_for_the_reason_given(case, tmp_path):
    result = check(case["file"], tmp_path / "out")
    assert result.verdict == case["verdict"]
    name, rows, lines = REASONS[case["file"]]
    if name is None:
        assert result.findings == ()
        assert result.accepted == 200
        return
    finding = next(finding for finding in result.findings if finding.check == name)
    assert finding.rows == rows
    assert finding.cure
    if lines is not None:
        assert [place.line for place in finding.examples][: len(lines)] == lines
    if case["verdict"] == "reject":
        assert finding.severity == "reject"
        assert {path.name for path in (tmp_path / "out").iterdir()} == {"validation.json"}
    assert {path.name for path in tmp_path.iterdir()} == {"out"}, "nothing is written elsewhere"


def test_every_case_of_expected_json_has_a_reason_here():
    assert {case["file"] for case in cases()} == set(REASONS)


def test_the_rows_with_personal_data_are_those_set_aside_and_no_value_is_shown(tmp_path):
    result = check("b10_pii_1pct.jsonl.gz", tmp_path)
    wanted = [row + 1 for row in json.loads((BROKEN / "b10_pii_rows.json").read_text())["zero_based_rows"]]
    aside = [json.loads(line) for line in (tmp_path / "quarantined.jsonl").read_text().splitlines()]
    assert [row["line"] for row in aside] == wanted
    assert {tuple(row["checks"]) for row in aside} == {("personal_data",)}
    assert (result.accepted, result.quarantined) == (1980, 20)
    shown = result.model_dump_json()
    assert not [row for row in aside if row["row"]["text"][-11:] in shown]


def test_accepted_and_quarantined_rows_are_the_rows_of_the_file_byte_for_byte(tmp_path):
    check("b20_bad_timestamps.jsonl.gz", tmp_path)
    with gzip.open(BROKEN / "b20_bad_timestamps.jsonl.gz") as file:
        source = file.read().split(b"\n")[:-1]
    accepted = (tmp_path / "accepted.jsonl").read_bytes().split(b"\n")[:-1]
    aside = [json.loads(line) for line in (tmp_path / "quarantined.jsonl").read_bytes().split(b"\n")[:-1]]
    lines = {row["line"] for row in aside}
    assert accepted == [line for number, line in enumerate(source, 1) if number not in lines]
    assert [row["row"] for row in aside] == [json.loads(source[number - 1]) for number in sorted(lines)]


def test_a_byte_order_mark_and_carriage_returns_are_left_out_of_what_is_accepted(tmp_path):
    check("b04_bom_crlf.jsonl", tmp_path)
    accepted = (tmp_path / "accepted.jsonl").read_bytes()
    assert accepted.startswith(b'{"id"')
    assert accepted.count(b"\n") == 2000
    assert b"\r" not in accepted


def test_the_encoding_that_would_read_a_file_is_named():
    finding = check("b03_gb18030.jsonl").findings[0]
    assert "line 1: not UTF-8 at byte 28; it reads as gb18030" in finding.message


@pytest.mark.slow  # Great Expectations is imported anew in each
@pytest.mark.parametrize("name", ["b12_10mb_line.jsonl.gz", "b15_zip_bomb.jsonl.gz"])
def test_memory_stays_flat_whatever_unpacks_from_a_file(name):
    import subprocess
    import sys

    script = f"""
import resource
from pathlib import Path
import great_expectations, polars, pyarrow.json, datasketch
from pipelines.check_files import check_files
from pipelines.limits import Limits
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
check_files([Path({str(BROKEN / name)!r})], "classification", Limits(), say=print)
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert float(done.stdout.splitlines()[-1]) < 400, done.stderr
