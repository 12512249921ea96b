"""`scriptorium validate` answers with an exit code, a JSON document or a few lines, and one message for a mistake."""

import json

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.errors import Refused


def row(number, **more):
    return {"id": f"r{number}", "text": f"text number {number}", "label": "ab"[number % 2], "lang": "en"} | more


@pytest.fixture
def run(tmp_path):
    """Run the command on rows in a file."""

    def command(rows, *options):
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows))
        return CliRunner().invoke(app, ["validate", str(path), "--task", "classification", *options])

    return command


def test_the_exit_code_says_whether_rows_are_accepted_set_aside_or_refused(run):
    good = [row(n) for n in range(20)]
    assert run(good).exit_code == 0
    assert run([*good, row(20, text=" ")]).exit_code == 20
    refused = run([*good, row(7)])
    assert refused.exit_code == 10
    assert "refused: 21 rows, 0 accepted, 0 set aside" in refused.stdout
    assert "lines 21" in refused.stdout
    assert "-> give every row its own id" in refused.stdout


def test_json_is_one_document_of_the_documented_shape(run):
    done = run([row(n, text="" if n == 3 else f"text {n}") for n in range(20)], "--json", "--labels", "a,b")
    found = json.loads(done.stdout)
    assert set(found) == {"verdict", "rows", "accepted", "quarantined", "findings"}
    assert (found["verdict"], found["rows"], found["accepted"], found["quarantined"]) == ("quarantine", 20, 19, 1)
    (finding,) = (f for f in found["findings"] if f["check"] == "empty_texts")
    assert set(finding) == {"check", "severity", "rows", "share", "limit", "examples", "message", "cure"}
    assert (finding["severity"], finding["rows"], finding["share"]) == ("quarantine", 1, 0.05)
    assert finding["examples"][0]["line"] == 4


def test_evaluation_files_are_compared_with_training_files(tmp_path, run):
    files = {}
    for name, numbers in (("train", range(40)), ("test", range(30, 50))):
        files[name] = tmp_path / f"{name}.jsonl"
        rows = [row(n, id=f"{name}-{n}", text=f"text number {n} {'x' * n}") for n in numbers]
        files[name].write_text("".join(json.dumps(r) + "\n" for r in rows))
    sides = ["--train", str(files["train"]), "--test", str(files["test"])]
    done = CliRunner().invoke(app, ["validate", "--task", "classification", "--json", *sides])
    (leak,) = (f for f in json.loads(done.stdout)["findings"] if f["check"] == "leakage")
    assert (done.exit_code, leak["rows"], leak["share"]) == (10, 10, 0.5)
    assert [place["line"] for place in leak["examples"]] == list(range(1, 11))


def test_no_finding_shows_more_than_80_characters_of_a_row(run):
    secret = "s" * 300
    rows = [row(n) for n in range(20)]
    odd = [{**row(1), secret: 1, "label": secret}, {**row(2), "label": [secret]}, {**row(3), "id": secret}]
    done = run([*rows, *odd, row(4, text=f"\ufffd {secret}")], "--json", "--labels", "a,b")
    assert done.exit_code == 10
    assert "s" * 81 not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "classification"], "there is nothing to check"),
        (["x.jsonl", "--task", "clasification"], "did you mean 'classification'"),
        (["x.jsonl"], "allowed: "),
        (["x.jsonl", "--task", "faq"], r"x\.jsonl is not there"),
        ([".", "--task", "faq"], "is a folder"),
        (["x.jsonl", "--task", "faq", "--labels", "a,,b"], "an empty label"),
    ],
)
def test_a_mistake_is_answered_with_its_cure(arguments, message):
    with pytest.raises(Refused, match=message):
        CliRunner().invoke(app, ["validate", *arguments], catch_exceptions=False)
