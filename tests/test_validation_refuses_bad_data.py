"""Bad data is refused with its file, line, value, limit and cure; good data leaves a page that works offline."""

import json
import random
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import pytest

from pipelines.artifact import read_json
from pipelines.errors import Refused
from pipelines.evaluate_recipe import Evaluate
from pipelines.limits import Limits
from pipelines.plain_text import plain
from pipelines.recipe import Data, Earlier, Finetune, Replay
from pipelines.rows import parse, read_rows
from pipelines.validate import subjects
from tests.bounds import beyond_bounds

WORDS = ["bucket", "queue", "table", "role", "stream", "policy", "cluster", "image", "rule", "topic", "key", "volume"]
DATA = Data(corpus="corpus/domain.jsonl", examples="tasks/check", replay=Replay(corpus="corpus/general.jsonl"))


def pair(name, label="yes"):
    text = random.Random(name)
    return {
        "id": name,
        "text_a": " ".join(text.choices(WORDS, k=20)),
        "text_b": " ".join(text.choices(WORDS, k=5)),
        "label": label,
        "lang": "en",
    }


def write(path: Path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r, ensure_ascii=False)) + "\n" for r in rows))


@pytest.fixture
def folder(tmp_path):
    for split in ("train", "validation", "test"):
        rows = [pair(f"{split}-{n}", "yes" if n % 2 else "no") for n in range(20)]
        write(tmp_path / f"tasks/check/{split}.jsonl", rows)
    for name in ("domain", "general"):
        texts = [" ".join(random.Random(f"{name} {n}").choices(WORDS, k=12)) for n in range(20)]
        rows = [{"id": f"{name}-{n}", "text": t, "lang": "en", "domain": name} for n, t in enumerate(texts)]
        write(tmp_path / f"corpus/{name}.jsonl", [*rows[:-1], rows[-1] | {"split": "heldout"}])
    return tmp_path


def rewrite(path: Path, line: int, change):
    """Apply `change` to the row of a line, counted from 1."""
    rows = read_rows(path)
    rows[line - 1] = change(rows[line - 1])
    write(path, rows)


def measured(folder, data=DATA, **limits):
    """Every measure of the folder that is not within its bounds: rows, and where they stand."""
    with TemporaryDirectory() as scratch:
        found = list(subjects(folder, data, "pair_classification", Limits(**limits), Path(scratch), {}))
    unmet = {check.name: subject.measures[check.name] for subject in found for check in beyond_bounds(subject)}
    return {n: (m.rows, [f"{place.file} line {place.line}" for place in m.places]) for n, m in unmet.items()}


TRAIN, TEST, DOMAIN = "tasks/check/train.jsonl", "tasks/check/test.jsonl", "corpus/domain.jsonl"


def test_sound_data_is_within_every_limit(folder):
    assert measured(folder) == {}


def test_a_test_row_that_training_saw_is_a_leak_even_in_capitals_and_under_another_id(folder):
    stolen = read_rows(folder / "tasks/check/train.jsonl")[6]
    disguised = {c: f"  {stolen[c].upper()}\u200b " for c in ("text_a", "text_b")}
    rewrite(folder / "tasks/check/test.jsonl", 4, lambda row: row | disguised)
    failed = measured(folder)
    assert failed["leakage"] == (1, [f"{TEST} line 4"])
    assert failed["near_leakage"] == (1, [f"{TEST} line 4"])


def test_a_changed_word_leaves_a_near_duplicate(folder):
    stolen = read_rows(folder / TRAIN)[6]
    words = " ".join(random.Random(0).choices(WORDS, k=80))
    rewrite(folder / TRAIN, 7, lambda row: stolen | {"text_a": words})
    rewrite(folder / TEST, 4, lambda row: row | {"text_a": f"{words} again", "text_b": stolen["text_b"]})
    assert measured(folder) == {"near_leakage": (1, [f"{TEST} line 4"])}


@pytest.mark.parametrize("characters", [1, 16_000_000])
def test_test_texts_within_longer_ones_of_the_corpus_are_found_in_one_reading_or_in_many(
    folder, monkeypatch, characters
):
    monkeypatch.setattr("pipelines.leaks.LOOKED_FOR", characters)
    said = [" ".join((row["text_a"], row["text_b"])) for row in read_rows(folder / TEST)]
    rewrite(folder / DOMAIN, 5, lambda row: row | {"text": f"Before. {said[6]} Between. {said[2]} {said[15]} After."})
    assert measured(folder)["corpus_leakage"] == (3, [f"{TEST} line {line}" for line in (3, 7, 16)])


@pytest.mark.parametrize("corpus", ["domain", "general", "earlier"])
@pytest.mark.parametrize("limits", [{}, {"near_duplicates": False}, {"near_rows": 2}], ids=["all", "off", "few"])
def test_a_test_text_within_any_corpus_is_found_whether_or_not_near_copies_are_looked_for(folder, corpus, limits):
    rows = [row | {"id": f"e-{row['id']}"} for row in read_rows(folder / DOMAIN)]
    write(folder / "corpus/earlier.jsonl", [row | {"text": f"{row['text']} {n}"} for n, row in enumerate(rows)])
    data = DATA.model_copy(update={"earlier": (Earlier(name="earlier", corpus="corpus/earlier.jsonl"),)})
    assert measured(folder, data, near_copies=1.0, **limits).keys() <= {"near_unread"}
    said = read_rows(folder / TEST)[6]
    longer = f"Before. {said['text_a']} {said['text_b']} After."
    rewrite(folder / f"corpus/{corpus}.jsonl", 5, lambda row: row | {"text": longer})
    assert measured(folder, data, near_copies=1.0, **limits)["corpus_leakage"] == (1, [f"{TEST} line 7"])


def test_a_test_text_in_the_corpus_to_train_on_is_found_and_one_held_out_is_none(folder):
    text = read_rows(folder / "tasks/check/test.jsonl")[2]["text_a"]
    rewrite(folder / "corpus/domain.jsonl", 20, lambda row: row | {"text": text})
    assert measured(folder) == {}
    rewrite(folder / "corpus/domain.jsonl", 20, lambda row: row | {"split": "train"})
    assert measured(folder)["corpus_leakage"] == (1, [f"{TEST} line 3"])


def test_rows_that_share_an_id_are_named_even_where_they_would_be_shown(folder):
    write(folder / TRAIN, [pair("same", "yes"), pair("same", "no")])
    assert measured(folder)["repeated_ids"] == (1, [f"{TRAIN} line 2"])


def test_a_held_out_text_that_is_also_trained_on_is_named(folder):
    text = read_rows(folder / DOMAIN)[3]["text"]
    rewrite(folder / DOMAIN, 20, lambda row: row | {"text": f" {text.title()}\u3000"})
    assert measured(folder)["heldout_in_training"] == (1, [f"{DOMAIN} line 20"])


def test_repeated_ids_are_named_with_their_lines(folder):
    rewrite(folder / "tasks/check/train.jsonl", 9, lambda row: row | {"id": "train-0"})
    assert measured(folder)["repeated_ids"] == (1, [f"{TRAIN} line 9"])


def test_one_id_in_two_splits_is_named(folder):
    rewrite(folder / "tasks/check/test.jsonl", 1, lambda row: row | {"id": "validation-5"})
    assert measured(folder)["ids_in_both"] == (1, [f"{TEST} line 1"])


@pytest.mark.parametrize("text", ["", "  ", "\u3000", "\u200b"])
def test_a_text_of_nothing_but_space_is_empty(folder, text):
    rewrite(folder / "tasks/check/train.jsonl", 2, lambda row: row | {"text_b": text})
    assert measured(folder)["empty_texts"] == (1, [f"{TRAIN} line 2"])


def test_a_label_that_training_never_showed_is_named(folder):
    rewrite(folder / "tasks/check/test.jsonl", 5, lambda row: row | {"label": "Yes"})
    assert measured(folder)["unknown_labels"][0] == 1


def test_one_label_alone_teaches_nothing(folder):
    rows = read_rows(folder / "tasks/check/train.jsonl")
    write(folder / "tasks/check/train.jsonl", [row | {"label": "yes"} for row in rows])
    assert measured(folder)["single_class"][0] == 20


def test_the_same_texts_under_two_labels_contradict_each_other(folder):
    rewrite(folder / "tasks/check/train.jsonl", 2, lambda row: pair("train-0") | {"id": "other", "label": "yes"})
    assert measured(folder)["contradictions"] == (1, [f"{TRAIN} line 1"])


def test_an_empty_file_has_no_rows(folder):
    write(folder / "tasks/check/validation.jsonl", [])
    assert measured(folder)["rows"][0] == 0


def test_a_word_missing_from_the_rarest_label_is_only_doubtful(folder):
    rows = [pair(f"train-{n}", "maybe" if n == 7 else "yes" if n % 2 else "no") for n in range(300)]
    write(folder / TRAIN, rows)
    assert measured(folder)["rarest_label"][0] == 1


@pytest.mark.parametrize(
    ("line", "check"),
    [
        ('{"id": "a", "text', "json"),
        ("['a']", "json"),
        ("[1]", "types"),
        ('{"id": NaN}', "json"),
        ('{"id": "a", "id": "b"}', "json"),
        ('{"id": "a", "text_a": "b", "text_b": "c", "lang": "en"}', "missing_fields"),
        ('{"id": 7, "text_a": "b", "text_b": "c", "label": "d", "lang": "en"}', "types"),
        ('{"id": "a", "text_a": null, "text_b": "c", "label": "d", "lang": "en"}', "types"),
        ('{"id": "a", "text_a": "b", "text_b": "c", "label": true, "lang": "en"}', "types"),
    ],
)
def test_a_malformed_line_is_named(folder, line, check):
    path = folder / "tasks/check/train.jsonl"
    content = path.read_text().split("\n")
    content[11] = line
    path.write_text("\n".join(content))
    assert measured(folder) == {check: (1, [f"{TRAIN} line 12"])}


def test_bytes_that_are_no_utf8_are_named():
    assert parse('{"text": "热"}'.encode("gb18030")) == "not UTF-8 at byte 11; save the file as UTF-8"


def test_only_a_line_feed_ends_a_line(folder):
    rewrite(folder / "tasks/check/train.jsonl", 3, lambda row: row | {"text_a": "one\u2028two\x85three four"})
    assert measured(folder) == {}


def refusals(folder):
    with TemporaryDirectory() as scratch:
        found = list(subjects(folder, DATA, "pair_classification", Limits(), Path(scratch), {}))
        return {check.name for subject in found for check in beyond_bounds(subject) if check.severity == "reject"}


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (lambda content: b"\xef\xbb\xbf" + content, "bom"),
        (lambda content: content.replace(b"\n", b"\n \t\n", 1), "space_lines"),
        (lambda content: content.replace(b"\n", b"\r\n").replace(b"\n", b"\n\r\n", 1), "space_lines"),
        (lambda content: content + b" ", "space_lines"),
    ],
)
@pytest.mark.parametrize("name", [TRAIN, DOMAIN])
def test_what_a_training_could_not_read_is_refused_before_it(folder, name, change, check):
    path = folder / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(Refused, match="not JSON"):
        read_rows(path)
    assert refusals(folder) == {check}


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_what_a_training_reads_all_the_same_is_only_doubtful(folder, end):
    path = folder / TRAIN
    rows, empty = read_rows(path), b"\n" if end == b"\n" else b""
    path.write_bytes(path.read_bytes().replace(b"\n", end) + empty)
    assert read_rows(path) == rows
    assert measured(folder).keys() == {"blank_lines" if empty else "crlf"}
    assert refusals(folder) == set()


def test_further_columns_are_allowed(folder):
    rewrite(folder / "tasks/check/train.jsonl", 3, lambda row: row | {"service": "efs", "weight": 2})
    assert measured(folder) == {}


def test_a_missing_file_is_named(folder):
    (folder / "tasks/check/test.jsonl").unlink()
    with pytest.raises(Refused, match=r"tasks/check/test\.jsonl is missing; the recipe names it"):
        measured(folder)


def test_what_hides_a_copy_is_removed():
    import polars as pl

    texts = pl.Series([" \uff24eletes\tTHE\u200b \u3000table ", "  the\n\nTABLE", "STRASSE", "straße", "ΣΑΣ"])
    assert plain(texts).to_list() == ["deletes the table", "the table", "strasse", "strasse", "σας"]


def work(folder, out, home):
    values = {"data": DATA, "task": "pair_classification", "validation": Limits(), "finetune": Finetune()}
    values["evaluate"] = Evaluate()
    recipe = SimpleNamespace(name="checker", **values)
    run = SimpleNamespace(recipe=recipe, dataset_md5="d41d8cd98f00b204e9800998ecf8427e.dir")
    out.mkdir(parents=True, exist_ok=True)
    return SimpleNamespace(run=run, inputs={"dataset": folder}, out=out, settings=SimpleNamespace(home=home))


@pytest.mark.slow  # Great Expectations takes seven seconds to import
def test_great_expectations_accepts_the_good_and_refuses_the_bad(folder, tmp_path, capsys):
    from pipelines.validate import validate

    validate(work(folder, tmp_path / "out", tmp_path / "home"))
    validate(work(folder, tmp_path / "again", tmp_path / "home"))
    assert (tmp_path / "out/validation.json").read_bytes() == (tmp_path / "again/validation.json").read_bytes()
    assert not (tmp_path / "home").exists()
    assert "ok   evaluation rows that training shows too" in capsys.readouterr().out
    result = read_json(tmp_path / "out/validation.json")
    assert all(check["passed"] for check in result["checks"])
    columns = [
        j["expectation_config"]["kwargs"].get("column")
        for j in result["great_expectations"]["tasks/check: test in train"]
    ]
    assert "near_leakage_share" in columns, "Great Expectations itself judged it"

    rewrite(folder / "tasks/check/train.jsonl", 2, lambda row: row | {"text_b": " "})
    rewrite(folder / "tasks/check/test.jsonl", 5, lambda row: row | {"label": "Yes"})
    with pytest.raises(Refused) as refusal:
        validate(work(folder, tmp_path / "refused", tmp_path / "home"))
    message = str(refusal.value)
    assert refusal.value.exit_code == 10
    assert (
        "tasks/check/train.jsonl: rows with an empty text: 0.0500, allowed at most 0 (tasks/check/train.jsonl line 2)"
        in message
    )
    assert "remove these rows, or fill in their text" in message
    assert "test in train: evaluation rows with a label that training lacks: 1, allowed at most 0" in message
    page = Path(re.search(r"All checks: (\S+)", message)[1])
    assert page.is_relative_to(tmp_path / "home/refused")
    assert re.search(r"Refused: \d of \d+ checks failed", page.read_text())
    assert not re.search(r"""(src|href)\s*=|url\(|@import""", page.read_text()), "it must work offline"
    assert (page.parent / "validation.json").is_file()
    assert not (tmp_path / "refused/validation.json").exists()
