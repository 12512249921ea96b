"""Bad data is refused with its file, line, value, limit and cure; good data leaves a page that works offline."""

import json
import random
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from models.tasks import TASKS
from pipelines.artifact import read_json
from pipelines.data_metrics import corpus_metrics, examples_metrics, near_duplicates, plain, read_table, split_metrics
from pipelines.errors import Refused
from pipelines.expectations import CORPUS, FILE, LABELLED, LABELLED_SPLITS, SPLITS
from pipelines.recipe import Data, Replay
from pipelines.rows import FORMATS, parse, read_rows

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
        rows = [{"id": f"{name}-{n}", "text": f"{name} text {n}", "lang": "en", "domain": name} for n in range(20)]
        write(tmp_path / f"corpus/{name}.jsonl", [*rows[:-1], rows[-1] | {"split": "heldout"}])
    return tmp_path


def rewrite(path: Path, line: int, change):
    """Apply `change` to the row of a line, counted from 1."""
    rows = read_rows(path)
    rows[line - 1] = change(rows[line - 1])
    write(path, rows)


def table(folder, split="train"):
    task = TASKS["pair_classification"]
    return read_table(folder / f"tasks/check/{split}.jsonl", FORMATS[task.name], task.texts, task.target)


def tables(folder):
    return {split: table(folder, split) for split in ("train", "validation", "test")}


def corpus(folder):
    return read_table(folder / "corpus/domain.jsonl", FORMATS["unlabeled"], ("text",), None)


def measured(folder):
    """Every metric of the folder that is not within the limits of its checks, with the places."""
    task = TASKS["pair_classification"]
    found = [
        (*corpus_metrics(corpus(folder)), CORPUS),
        *((*examples_metrics(t, task), FILE + LABELLED) for t in tables(folder).values()),
        (*split_metrics(tables(folder), corpus(folder), task), SPLITS + LABELLED_SPLITS),
    ]
    failed = {}
    for metrics, places, checks in found:
        assert set(metrics) == {c.metric for c in checks}, "every metric has its check, and every check its metric"
        for check in checks:
            low = check.at_least if check.at_least is not None else float("-inf")
            high = check.at_most if check.at_most is not None else float("inf")
            if not low <= metrics[check.metric] <= high:
                failed[check.metric] = (metrics[check.metric], places.get(check.metric))
    return failed


def test_sound_data_is_within_every_limit(folder):
    assert measured(folder) == {}


def test_a_test_row_that_training_saw_is_a_leak_even_in_capitals_and_under_another_id(folder):
    stolen = read_rows(folder / "tasks/check/train.jsonl")[6]
    disguised = {c: f"  {stolen[c].upper()}\u200b " for c in ("text_a", "text_b")}
    rewrite(folder / "tasks/check/test.jsonl", 4, lambda row: row | disguised)
    failed = measured(folder)
    assert failed["test_in_training"] == (1, ["test.jsonl line 4 (id test-3)"])
    assert failed["near_duplicate_share"][0] == 1 / 20


def test_a_changed_word_leaves_a_near_duplicate():
    text = " ".join(random.Random(0).choices(WORDS, k=60))
    assert near_duplicates([f"{text} again", "something else altogether"], [text]) == [0]


def test_a_test_text_in_the_corpus_to_train_on_is_found_and_one_held_out_is_none(folder):
    text = read_rows(folder / "tasks/check/test.jsonl")[2]["text_a"]
    rewrite(folder / "corpus/domain.jsonl", 20, lambda row: row | {"text": text})
    assert measured(folder) == {}
    rewrite(folder / "corpus/domain.jsonl", 20, lambda row: row | {"split": "train"})
    assert measured(folder)["test_in_corpus_share"] == (1 / 20, ["test.jsonl line 3 (id test-2)"])


def test_a_held_out_text_that_is_also_trained_on_is_named(folder):
    rewrite(folder / "corpus/domain.jsonl", 20, lambda row: row | {"text": "Domain  text 3"})
    assert measured(folder)["heldout_in_training"] == (1, ["line 20 (id domain-19)"])


def test_repeated_ids_are_named_with_their_lines(folder):
    rewrite(folder / "tasks/check/train.jsonl", 9, lambda row: row | {"id": "train-0"})
    assert measured(folder)["repeated_ids"] == (1, ["line 9 (id train-0)"])


def test_one_id_in_two_splits_is_named(folder):
    rewrite(folder / "tasks/check/test.jsonl", 1, lambda row: row | {"id": "validation-5"})
    assert measured(folder)["ids_in_two_splits"] == (1, ["test.jsonl line 1 (id validation-5)"])


@pytest.mark.parametrize("text", ["", "  ", "\u3000", "\u200b"])
def test_a_text_of_nothing_but_space_is_empty(folder, text):
    rewrite(folder / "tasks/check/train.jsonl", 2, lambda row: row | {"text_b": text})
    assert measured(folder)["empty_texts"] == (1, ["line 2 (id train-1)"])


def test_a_label_that_training_never_showed_is_named(folder):
    rewrite(folder / "tasks/check/test.jsonl", 5, lambda row: row | {"label": "Yes"})
    assert measured(folder)["unknown_labels"] == (1, ["test.jsonl line 5 (id test-4)"])


def test_one_label_alone_teaches_nothing(folder):
    rows = read_rows(folder / "tasks/check/train.jsonl")
    write(folder / "tasks/check/train.jsonl", [row | {"label": "yes"} for row in rows])
    assert measured(folder)["labels"][0] == 1


def test_the_same_texts_under_two_labels_contradict_each_other(folder):
    rewrite(folder / "tasks/check/train.jsonl", 2, lambda row: pair("train-0") | {"id": "other", "label": "yes"})
    assert measured(folder)["contradictions_share"] == (1 / 19, ["lines 1, 2"])


def test_an_empty_file_has_no_rows(folder):
    write(folder / "tasks/check/validation.jsonl", [])
    assert measured(folder)["rows"][0] == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "a", "text', "not JSON: Unterminated string"),
        ("['a']", "not JSON"),
        ("[1]", "a JSON list, not an object"),
        ('{"id": NaN}', "NaN is no JSON number"),
        ('{"id": "a", "id": "b"}', "key 'id' stands twice"),
        ('{"id": "a", "text_a": "b", "text_b": "c", "lang": "en"}', "column 'label' is missing; a row has id, lang"),
        ('{"id": 7, "text_a": "b", "text_b": "c", "label": "d", "lang": "en"}', "column 'id' is 7"),
        ('{"id": "a", "text_a": null, "text_b": "c", "label": "d", "lang": "en"}', "column 'text_a' is null"),
        ('{"id": "a", "text_a": "b", "text_b": "c", "label": true, "lang": "en"}', "column 'label' is true"),
    ],
)
def test_a_malformed_line_is_named_with_what_is_wrong(folder, line, message):
    path = folder / "tasks/check/train.jsonl"
    content = path.read_text().split("\n")
    content[11] = line
    path.write_text("\n".join(content))
    count, places = measured(folder)["malformed_lines"]
    assert count == 1
    assert places[0].startswith("line 12: ")
    assert message in places[0]


def test_bytes_that_are_no_utf8_are_named():
    assert parse('{"text": "热"}'.encode("gb18030")) == "not UTF-8 at byte 11; save the file as UTF-8"


def test_only_a_line_feed_ends_a_line(folder):
    rewrite(folder / "tasks/check/train.jsonl", 3, lambda row: row | {"text_a": "one\u2028two\x85three four"})
    assert len(table(folder).frame) == 20
    assert measured(folder) == {}


def test_further_columns_are_allowed(folder):
    rewrite(folder / "tasks/check/train.jsonl", 3, lambda row: row | {"service": "efs", "weight": 2})
    assert measured(folder) == {}


def test_a_missing_file_is_named(folder):
    (folder / "tasks/check/test.jsonl").unlink()
    with pytest.raises(Refused, match=r"tasks/check/test\.jsonl is missing; the recipe names it"):
        tables(folder)


def test_what_hides_a_copy_is_removed():
    assert plain(" \uff24eletes\tTHE\u200b \u3000table ") == "deletes the table"


def work(folder, out, home):
    recipe = SimpleNamespace(name="checker", data=DATA, task="pair_classification")
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
    assert "ok   test rows also trained or selected on" in capsys.readouterr().out
    result = read_json(tmp_path / "out/validation.json")
    assert all(check["passed"] for check in result["checks"])
    columns = [j["expectation_config"]["kwargs"].get("column") for j in result["great_expectations"]["tasks/check"]]
    assert "near_duplicate_share" in columns, "Great Expectations itself judged it"

    rewrite(folder / "tasks/check/train.jsonl", 2, lambda row: row | {"text_b": " "})
    rewrite(folder / "tasks/check/test.jsonl", 5, lambda row: row | {"label": "Yes"})
    with pytest.raises(Refused) as refusal:
        validate(work(folder, tmp_path / "refused", tmp_path / "home"))
    message = str(refusal.value)
    assert refusal.value.exit_code == 10
    assert "tasks/check/train.jsonl: rows with an empty text: 1, allowed at most 0 (line 2 (id train-1)); " in message
    assert "remove these rows, or fill in their text" in message
    assert "labels that training never showed: 1, allowed at most 0 (test.jsonl line 5 (id test-4))" in message
    page = Path(re.search(r"All checks: (\S+)", message)[1])
    assert page.is_relative_to(tmp_path / "home/refused")
    assert "Refused: 2 of 49 checks failed" in page.read_text()
    assert not re.search(r"""(src|href)\s*=|url\(|@import""", page.read_text()), "it must work offline"
    assert (page.parent / "validation.json").is_file()
    assert not (tmp_path / "refused/validation.json").exists()
