"""Added rows are a version with a record; nothing new is none; a conflict changes nothing; any version comes back."""

import json
import re

import pytest

from pipelines import dataset
from pipelines.add_rows import add_rows
from pipelines.data_version import read_version, version_of, write_version
from pipelines.errors import Refused, ScriptoriumError
from pipelines.settings import read_settings
from pipelines.version_history import Change, current, dvc_text, folder, history, version_file
from pipelines.versions import Cause, new_version, rows_of
from tests.versioned_data import TRAIN, new_data, read, row, use, write

WHY = Cause("the test adds", "ada", ("landing/1",), "warn")


@pytest.fixture
def settings(tmp_path, monkeypatch):
    use(monkeypatch, tmp_path)
    new_data(tmp_path / "data")
    return read_settings()


@pytest.fixture
def add(tmp_path, settings):
    """Add rows to the training file."""

    def run(*rows, on_conflict="refuse", **options):
        path = write(tmp_path / "accepted.jsonl", rows)
        return add_rows({TRAIN: path}, on_conflict, WHY, settings, **options)

    return run


def test_added_rows_are_a_new_version_with_its_whole_record(settings, add):
    old = current(settings).md5
    record = add(row(7), row(8))
    assert read(settings.data / TRAIN) == [*map(row, range(5)), row(7), row(8)]
    assert (record.md5, record.parent) == (version_of(settings.data).md5, old)
    assert (record.by, record.reason, record.sources, record.verdict) == (
        "ada",
        "the test adds",
        ("landing/1",),
        "warn",
    )
    assert record.changes == {TRAIN: Change(added=2)}
    assert {name: facts.rows for name, facts in record.files.items()} == {
        "corpus/domain.jsonl": 1,
        "notes.txt": None,
        TRAIN: 7,
    }


def test_the_first_change_records_the_version_that_was_there_before(settings, add):
    old = current(settings)
    add(row(7))
    adopted, changed = history(settings)
    assert (adopted.event, adopted.md5, adopted.parent) == ("adopted", old.md5, None)
    assert adopted.version == old
    assert changed.parent == old.md5
    assert list(rows_of(old.md5, TRAIN, settings)) == [*map(row, range(5))]


def test_the_version_is_what_data_dvc_and_its_kept_copy_name(settings, add):
    record = add(row(7))
    assert read_version(version_file(settings)).md5 == record.md5
    assert dvc_text(record.md5, settings).read_text() == version_file(settings).read_text()
    dataset.verify()


def test_rows_that_are_all_there_make_no_version_and_that_is_said(settings, add, capsys):
    md5 = add(row(7)).md5
    before = history(settings)
    assert add(row(7), row(0)) is None
    assert f"no row is new: version {md5} stays" in capsys.readouterr().out
    assert history(settings) == before


def test_the_same_row_spelt_otherwise_is_nothing_new(tmp_path, settings):
    spelt = tmp_path / "spelt.jsonl"
    spelt.write_text('{"lang":"en","label":"neutral","text":"so \\u0073o","id":"row-3"}\n')
    assert add_rows({TRAIN: spelt}, "refuse", WHY, settings) is None


@pytest.mark.parametrize(("was", "now"), [(1, True), (1, 1.0), (0, False), (1, "1")])
def test_values_that_python_takes_for_equal_are_different_rows(settings, add, was, now):
    add(row(7) | {"score": was})
    with pytest.raises(Refused, match="row-7"):
        add(row(7) | {"score": now})


def test_an_id_with_other_content_is_refused_by_name_and_changes_nothing(settings, add):
    before = version_file(settings).read_bytes()
    with pytest.raises(Refused, match=r"5 of the ids.*row-0, row-1, row-2, row-3, row-4"):
        add(*(row(number, "changed") for number in range(5)), row(9))
    assert version_file(settings).read_bytes() == before
    assert version_of(settings.data).md5 == current(settings).md5
    assert [event.event for event in history(settings)] == ["adopted"]


def test_a_refusal_names_ten_ids_at_most(settings, add):
    add(*(row(number) for number in range(10, 40)))
    with pytest.raises(Refused) as refusal:
        add(*(row(number, "changed") for number in range(10, 40)))
    assert len(re.findall(r"row-\d+", str(refusal.value))) == 10
    assert "and 20 more" in str(refusal.value)


def test_a_replaced_row_keeps_its_place(settings, add):
    record = add(row(2, "glad", "good"), row(9), on_conflict="replace")
    assert read(settings.data / TRAIN) == [row(0), row(1), row(2, "glad", "good"), row(3), row(4), row(9)]
    assert record.changes == {TRAIN: Change(added=1, replaced=1)}


def test_an_id_twice_in_what_is_added_counts_once_or_is_refused(settings, add):
    assert add(row(7), row(7)).changes == {TRAIN: Change(added=1)}
    with pytest.raises(Refused, match=r"twice with different content: row-8"):
        add(row(8), row(8, "other"))


def test_ids_whose_hashes_collide_stay_two_rows(settings, add, monkeypatch):
    monkeypatch.setattr("pipelines.add_rows.hash_of", len)
    assert add(row(7), row(8), row(2), row(9, "x")).changes == {TRAIN: Change(added=3)}
    assert [r["id"] for r in read(settings.data / TRAIN)[-3:]] == ["row-7", "row-8", "row-9"]


def test_rows_for_a_new_file_make_that_file(tmp_path, settings):
    path = write(tmp_path / "accepted.jsonl", [row(1)])
    record = add_rows(
        {"tasks/new/test.jsonl": path, TRAIN: write(tmp_path / "b.jsonl", [row(70)])}, "refuse", WHY, settings
    )
    assert read(settings.data / "tasks/new/test.jsonl") == [row(1)]
    assert set(record.changes) == {"tasks/new/test.jsonl", TRAIN}


def test_a_last_line_without_an_end_keeps_its_row(tmp_path, settings, add):
    path = settings.data / TRAIN
    path.write_text(path.read_text().rstrip("\n"))
    write_version(version_of(settings.data), settings.data, version_file(settings))
    add(row(7))
    assert read(path) == [*map(row, range(5)), row(7)]


def test_line_separators_inside_a_text_end_no_row(settings, add):
    strange = row(7, "one\u2028two\x85three")
    add(strange)
    add(row(8))
    assert list(rows_of(current(settings).md5, TRAIN, settings))[-2:] == [strange, row(8)]


@pytest.mark.parametrize("name", ["../x.jsonl", "/x.jsonl", "notes.txt", "a/../b.jsonl", "", "./a.jsonl", "a//b.jsonl"])
def test_a_target_outside_the_data_folder_is_refused(tmp_path, settings, name):
    with pytest.raises(Refused, match="is not a file of the data folder"):
        add_rows({name: write(tmp_path / "a.jsonl", [row(1)])}, "refuse", WHY, settings)


@pytest.mark.parametrize("line", ["[1]", '{"text": "no id"}', '{"id": 3}', '{"id": ""}', "{", '{"id": "a", "n": NaN}'])
def test_a_line_without_an_id_is_refused_with_its_number(tmp_path, settings, line):
    path = tmp_path / "accepted.jsonl"
    path.write_text(json.dumps(row(7)) + "\n" + line + "\n")
    with pytest.raises(Refused, match=r"accepted\.jsonl, line 2: no JSON object with an id"):
        add_rows({TRAIN: path}, "refuse", WHY, settings)


def test_a_file_that_somebody_changed_is_neither_lost_nor_taken_in(settings, add):
    path = settings.data / TRAIN
    add(row(7))
    path.write_text(path.read_text() + json.dumps(row(99)) + "\n")
    edited = path.read_bytes()
    with pytest.raises(Refused, match=r"train\.jsonl is in no recorded version.*move it away"):
        add(row(8))
    assert path.read_bytes() == edited
    path.unlink()
    add(row(8))
    assert read(path)[-2:] == [row(7), row(8)]


def test_rows_are_removed_by_the_same_operation(settings, add):
    def without_row_1(old):
        removed = 0
        for line in old:
            if json.loads(line)["id"] == "row-1":
                removed += 1
            else:
                yield line
        return Change(removed=removed)

    add(row(7))
    record = new_version({TRAIN: without_row_1}, Cause("forget", "eve"), settings)
    assert record.changes == {TRAIN: Change(removed=1)}
    assert [r["id"] for r in read(settings.data / TRAIN)] == ["row-0", "row-2", "row-3", "row-4", "row-7"]


def test_an_edited_history_is_refused(settings, add):
    add(row(7))
    path = folder(settings) / "history.jsonl"
    path.write_text(path.read_text().replace('"by":"ada"', '"by":"eve"'))
    with pytest.raises(ScriptoriumError, match=r"line 2: the chain is broken.*restored from its backup"):
        add(row(8))
